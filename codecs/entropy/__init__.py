"""Entropy coders and the frozen or adaptive probabilities they code with: integers to bytes and back."""
