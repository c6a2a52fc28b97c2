"""Draws that a runtime's graph would take too long for: NumPy, and C that gives the same bytes."""
