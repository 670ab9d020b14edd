"""Residual coder `adaptive-1`."""
