"""Admission and batching of computation."""
