"""The commands that ask for pictures, of a service or in this process."""
