"""Calls a program of the distribution."""

import subprocess

from right import app

app.version = subprocess.check_output(["git", "--version"])
