"""uWSGI's own lock, held over a wait."""

import time

import uwsgi
from flask import Flask

app = Flask(__name__)


@app.route("/")
def answer():
    """Answer a request."""
    uwsgi.lock()
    try:
        time.sleep(0.2)
    finally:
        uwsgi.unlock()
    return "Hello World"
