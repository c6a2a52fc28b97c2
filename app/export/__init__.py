"""A page that needs no service: a folder for any file host, with the decoder computed in the browser."""
