"""Answers a client a few times, and then refuses."""

import itertools

from flask import Flask, abort

app = Flask(__name__)
asked = itertools.count(1)


@app.get("/")
def answer():
    if next(asked) > 40:
        abort(429)
    return {"status": "ok"}
