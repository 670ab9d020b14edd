"""How the autoencoder that is applied to its own remaining error is trained."""
