"""The symmetric convolutional autoencoder with a compressed image behind each of its down-sampling units."""
