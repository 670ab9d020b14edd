"""JPEG files, between bytes and coefficients, and the pictures that decoders make of them, to the last bit."""
