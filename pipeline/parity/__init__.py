"""Parity: what is lost or damaged of an archive's files is computed again from the rest of them, without the source."""
