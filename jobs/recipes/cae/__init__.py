"""How the symmetric autoencoder with a ratio for each level of layers is trained."""
