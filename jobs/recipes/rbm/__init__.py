"""How the autoencoder of restricted Boltzmann machines is trained."""
