"""Data sets of generated images: what is drawn, in shards, by one process, many, or a Ray cluster."""
