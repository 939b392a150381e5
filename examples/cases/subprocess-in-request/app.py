"""Control: each request runs a program that takes 0.3 s."""

import subprocess

from flask import Flask

app = Flask(__name__)


@app.route("/")
def answer():
    """Answer a request."""
    subprocess.run(["sleep", "0.3"], check=True)
    return "Hello World"
