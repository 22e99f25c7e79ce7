"""Records as something to read: a page, a table, a terminal."""
