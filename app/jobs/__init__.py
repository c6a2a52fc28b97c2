"""Jobs in shards: resumable, by one process, many, or a Ray cluster, to a folder or an object store."""
