"""The convolutional autoencoder."""
