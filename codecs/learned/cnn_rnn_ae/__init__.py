"""The convolutional autoencoder applied to its own remaining error."""
