"""Offline training of variational autoencoders, ending in an export to ``model_store``."""
