"""Lossy formats of today that `evaluate` compares with, and that no archive holds."""
