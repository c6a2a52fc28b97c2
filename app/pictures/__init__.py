"""Pictures in and out: the only room that knows Pillow."""
