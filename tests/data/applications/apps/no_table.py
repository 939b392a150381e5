"""Reads a table that nobody has made."""

import sqlite3

from flask import Flask

app = Flask(__name__)


@app.get("/")
def items():
    with sqlite3.connect("shop.db") as database:
        return {"items": database.execute("SELECT name FROM item").fetchall()}
