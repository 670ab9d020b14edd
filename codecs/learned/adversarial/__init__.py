"""The two autoencoders that were trained against critics."""
