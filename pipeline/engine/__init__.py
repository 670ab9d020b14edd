"""Stages mapped over shards, in this process or on Ray."""
