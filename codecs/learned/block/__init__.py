"""Codecs of W x W blocks: the fully connected autoencoder, and its linear yardstick."""
