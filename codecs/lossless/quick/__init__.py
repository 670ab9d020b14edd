"""The quick level of the lossless coder: predictors by classes of blocks, and frozen tables by expected error."""
