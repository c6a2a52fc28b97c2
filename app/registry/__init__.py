"""Changes to a model store: labels, removal, and versions that come from and go to other stores."""
