"""Fitting the lossless codec to an archive: images, features, network, mixing weights, figures."""

from tilepress.codecs.extras import require_extra

require_extra("train", "fit-lossless")  # modules of this room import torch when they are imported
