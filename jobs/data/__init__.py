"""Data sets made into collections."""
