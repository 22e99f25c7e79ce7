"""What runs a model: one file a kind, found by its name."""
