"""Transforms with divisive normalisation."""
