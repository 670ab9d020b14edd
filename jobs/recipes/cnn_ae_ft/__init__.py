"""The convolutional autoencoder whose decoder is tuned to each image."""
