"""Certificates: an archive read back whole, file by file, and what came back signed and kept."""
