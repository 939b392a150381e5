"""An application with nothing wrong; each other one beside it fails in its own way."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def answer():
    return {"status": "ok"}
