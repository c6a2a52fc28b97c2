"""From a run to a version in the model store."""
