"""`tilepress protect`: parity and retention of what an archive has; and what other verbs do with parity."""
