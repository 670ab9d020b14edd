"""Pipeline: collections, shards, archives and the engine that maps over them."""
