"""Experiments: their schema, and the TOML files that ship."""
