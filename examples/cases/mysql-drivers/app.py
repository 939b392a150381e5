"""`SELECT SLEEP(0.3)` over one of three MySQL drivers; a connection for each request.

Without TLS, which costs so much CPU that threads are not apart on a busy machine.
"""

import os

from flask import Flask

app = Flask(__name__)
DRIVER = os.environ.get("DRIVER", "mysql-connector-c")
WHERE = {
    "host": "127.0.0.1",
    "port": 3306,
    "user": "matrix",
    "password": "matrix",
    "database": "matrix",
    "ssl_disabled": True,
}


def connect():
    """Connect with the driver that is asked for."""
    if DRIVER == "pymysql":
        import pymysql

        return pymysql.connect(**WHERE)
    import mysql.connector

    return mysql.connector.connect(use_pure=DRIVER == "mysql-connector-pure", **WHERE)


@app.route("/")
def answer():
    """Answer a request."""
    connection = connect()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT SLEEP(0.3)")
        cursor.fetchall()
    finally:
        connection.close()
    return "Hello World"
