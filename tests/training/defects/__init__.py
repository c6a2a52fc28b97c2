"""Twenty-eight defects that published VAE code has had, and a test for each that this code does not.

The list was made by reading some dozen public programs and their issue trackers. Every test says in a line what
goes wrong elsewhere; most properties are tested at length beside the module that has them, and once more here,
small and from another side, so that the list can be read in one place.
"""
