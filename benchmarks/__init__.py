"""edge-bench: what the toolkit measures of itself."""
