"""A query of 0.3 s with psycopg 3's C implementation, a connection for each request."""

import psycopg
from flask import Flask

app = Flask(__name__)
WHERE = "host=127.0.0.1 port=7803 user=matrix dbname=matrix"


@app.route("/")
def answer():
    """Answer a request."""
    with psycopg.connect(WHERE, autocommit=True) as connection:
        connection.execute("SELECT pg_sleep(0.3)")
    return "Hello World"
