"""Sends everybody to a login."""

from flask import Flask, redirect

app = Flask(__name__)


@app.get("/")
def overview():
    return redirect("/login?next=/")


@app.get("/login")
def login():
    return "<form method=post><input name=password type=password></form>"
