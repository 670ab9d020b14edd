"""The published tables, one module each: data, no code."""
