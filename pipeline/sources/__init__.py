"""Collections, and the data set that compress, train and evaluate share."""
