"""Each request waits where no patch reaches, and then where one does."""

import ctypes
import time

import flask

app = flask.Flask(__name__)
libc = ctypes.CDLL(None)


@app.get("/")
def index():
    wait_in_c()
    time.sleep(0.2)
    return "Hello World"


def wait_in_c():
    libc.usleep(200_000)
