"""Control and case: each request waits for a job of a ThreadPoolExecutor."""

import time
from concurrent.futures import ThreadPoolExecutor

from flask import Flask

app = Flask(__name__)
pool = ThreadPoolExecutor(32)


def work():
    """Wait, as a job does."""
    time.sleep(0.3)
    return "Hello World"


@app.route("/")
def answer():
    """Answer a request."""
    return pool.submit(work).result()
