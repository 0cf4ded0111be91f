"""The prose around the mathematics: one module a page of /theory."""
