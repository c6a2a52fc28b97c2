"""Observation models p(x given z); ``registry`` names them."""
