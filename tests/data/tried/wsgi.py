"""An application that lacks something in each of its routes, as people's applications do."""

import os
import time

from flask import Flask, redirect

KEY = os.environ["SHOP_KEY"]
app = Flask(__name__)


@app.get("/")
def index():
    return redirect("/login?next=/")


@app.get("/login")
def login():
    return "who are you?"


@app.get("/logout")
def logout():
    raise RuntimeError("nobody asks for this")


@app.get("/catalogue")
def catalogue():
    time.sleep(0.05)
    return "pencil"


@app.get("/variable")
def variable():
    return os.environ["SHOP_TOKEN"]


@app.get("/told")
def told():
    raise RuntimeError("environment variable SHOP_URL must be set")


@app.get("/library")
def library():
    import ctypes

    return ctypes.CDLL("libmagic.so.1")._name


@app.get("/program")
def program():
    import subprocess

    return subprocess.check_output(["git", "--version"])


@app.get("/module")
def module():
    import yaml

    return yaml.dump([])


@app.get("/left-out")
def left_out():
    import version

    return version.NUMBER


@app.get("/table")
def table():
    import sqlite3

    return str(sqlite3.connect("shop.db").execute("SELECT name FROM item").fetchall())


@app.get("/refused")
def refused():
    import psycopg2

    return str(psycopg2.connect("host=127.0.0.1 port=5432 dbname=shop"))


@app.get("/no-host")
def no_host():
    import psycopg2

    return str(psycopg2.connect("host=database port=5432 dbname=shop"))


@app.cli.command("create-tables")
def create_tables():
    """Make the tables."""
