"""The origin `inset`: pictures of which a part was a JPEG."""
