"""Where frames come from: one file a kind, found by its name."""
