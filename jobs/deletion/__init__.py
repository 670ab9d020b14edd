"""Originals removed by a certificate, and in no other way."""
