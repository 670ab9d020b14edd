"""Codecs that people would otherwise use, a module each, and what their streams must promise before a decoder runs."""
