"""The terminal: the same bot over the same core, with no token."""
