"""Imports a file that is not copied."""

from flask import Flask
from version import VERSION

app = Flask(__name__)


@app.get("/")
def answer():
    return {"version": VERSION}
