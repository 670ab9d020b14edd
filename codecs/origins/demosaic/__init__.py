"""Pictures that were interpolated from the mosaic of a sensor."""
