"""A page and tables fit to commit or host."""
