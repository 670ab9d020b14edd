"""The convolutional autoencoder whose narrow decoder is tuned to each image."""
