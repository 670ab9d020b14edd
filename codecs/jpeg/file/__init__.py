"""JPEG files: their coefficients, tables, and the entropy coding of baseline files."""
