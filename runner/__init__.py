"""Measure what monkey-patching does to a blocking Flask application, one container per cell."""
