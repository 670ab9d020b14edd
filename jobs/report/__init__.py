"""`tilepress report`: a page about an archive."""
