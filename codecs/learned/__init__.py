"""Learned codecs: what they share, and a folder a family."""
