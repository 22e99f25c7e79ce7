"""What measures power: one file a kind, found by its name."""
