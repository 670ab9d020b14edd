"""What the commands print that estimate, audit, report and view: `show_VERB`, as in `reports.py`."""
