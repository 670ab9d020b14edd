"""Parquet files from elsewhere: footers that are walked through before pyarrow sees them, rows within bounds."""
