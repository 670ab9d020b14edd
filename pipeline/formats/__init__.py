"""Image files to pixels and a container, and back: a folder a format."""
