"""How the block codecs are trained."""
