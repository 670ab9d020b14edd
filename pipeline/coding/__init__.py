"""Tiles to latents and residuals and back, by codecs that a worker holds."""
