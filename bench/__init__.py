"""Figures of the runner itself, measured side by side: `python -m bench [NAME…]`."""
