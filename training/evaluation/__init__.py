"""Every number of a model card, put together."""
