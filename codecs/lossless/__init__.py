"""The codec `lossless` and its residual coder: adaptive prediction and context mixing."""
