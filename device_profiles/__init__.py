"""TOML descriptions of devices; one file each."""
