"""From tiles to what transforms work on (planes, blocks, pictures of three channels), and back."""
