"""The codecs `predictive-mlp`: a small network, fitted to each image, predicts its samples."""
