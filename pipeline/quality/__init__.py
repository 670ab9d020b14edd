"""How near decoded pixels are to the original, and how codecs compare."""
