"""The autoencoder of restricted Boltzmann machines, over blocks."""
