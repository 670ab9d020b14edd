"""Evaluation of codecs: what is compared, measured, kept and said; one file a role."""
