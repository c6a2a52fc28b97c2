"""Uploads decoded in processes of their own, so that a decoder's crash ends no picture of others.

``reading`` is what the service calls. ``pool`` hands each upload to a free process, ``decoder`` is one such
process as the service sees it, ``child`` is what runs in it, and ``messages`` is what the two say to each
other.
"""
