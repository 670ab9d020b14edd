"""TIFF and BigTIFF files."""
