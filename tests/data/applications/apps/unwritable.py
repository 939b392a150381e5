"""Writes where it may not."""

import os

from right import app

os.makedirs("/var/lib/shop", exist_ok=True)
