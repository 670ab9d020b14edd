"""How the autoencoders with a view against a critic are trained."""
