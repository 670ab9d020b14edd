"""The compress stage: one shard of files to one committed part."""
