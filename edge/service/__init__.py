"""A camera as a service: one process for years, supervised from inside and by systemd."""
