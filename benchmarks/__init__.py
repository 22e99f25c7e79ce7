"""edge-bench: how fast, how steady, how hot and how hungry a model is on this board."""
