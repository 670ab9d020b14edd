"""Integer networks: the only networks that may stand on the decoding side."""
