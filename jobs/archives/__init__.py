"""The verbs of archives: compress, restore, verify, and what lists them."""
