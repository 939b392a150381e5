"""A run on several hosts: each has an engine of its own, and a worker beside it."""
