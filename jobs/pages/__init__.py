"""Pages: one HTML file of sections, for `report`, `audit` and `evaluate`; see `page.py`."""
