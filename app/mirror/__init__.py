"""A store elsewhere, kept in a folder of this machine that is an ordinary store."""
