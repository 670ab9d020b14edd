"""Jobs: one file a command, thin."""
