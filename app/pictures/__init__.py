"""Pictures in and out: the only package that knows Pillow."""
