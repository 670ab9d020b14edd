"""Audits: what is looked at, measured, kept and said; one file a role."""
