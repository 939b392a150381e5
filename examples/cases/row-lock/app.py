"""A row is locked (SELECT … FOR UPDATE) while the request waits for something else.

The next request wants the same row.
"""

import os
import time

from flask import Flask

app = Flask(__name__)
DRIVER = os.environ.get("DRIVER", "psycopg2")
WHERE = {"host": "127.0.0.1", "port": 7803, "user": "matrix", "dbname": "matrix"}

if DRIVER == "psycopg2":
    import psycopg2 as driver
else:
    import psycopg as driver


@app.route("/")
def answer():
    """Answer a request."""
    connection = driver.connect(**WHERE)
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT name FROM item WHERE number = 4711 FOR UPDATE")
        cursor.fetchone()
        time.sleep(0.2)
        connection.commit()
    finally:
        connection.close()
    return "Hello World"
