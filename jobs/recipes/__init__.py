"""Training scripts: one file a learned codec."""
