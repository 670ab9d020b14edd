"""Image files are read in a process of their own, so that one that crashes its decoder costs that process alone."""
