"""Needs a shared library of the distribution."""

import ctypes

from right import app

ctypes.CDLL("libmagic.so.1")
