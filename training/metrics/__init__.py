"""Measurements of a model, its samples and its priors."""
