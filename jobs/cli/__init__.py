"""The command line: options, tables, progress, signals."""
