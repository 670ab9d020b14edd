"""Archives to images, regions, previews and files."""
