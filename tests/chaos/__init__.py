"""Runs that things happen to, at random moments, and what must hold after each: `make chaos`."""
