"""`jpeg-dncnn`: JPEG, restored by a residual network that never leaves the cells of its quantisation."""
