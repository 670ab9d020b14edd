"""Fitting the lossless codec to an archive: images, features, network, mixing weights, figures."""
