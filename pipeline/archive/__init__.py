"""The archive as files: plans, parts, indexes and seals."""
