"""Where sources, archives and restored files live: local folders, S3, and whatever else fsspec reaches."""
