"""Codecs: arrays in, bytes out. No storage, no Ray."""
