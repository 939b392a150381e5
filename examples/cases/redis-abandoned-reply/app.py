"""A command is given up on by a gevent.Timeout; nobody else must get its answer.

The next user of the pooled connection is the same request's `get`.
"""

import gevent
import redis
from flask import Flask

app = Flask(__name__)
client = redis.Redis(port=6379)
client.delete("never")
client.set("key", "value")


@app.route("/")
def answer():
    """Answer a request."""
    with gevent.Timeout(0.05, False):
        client.blpop("never", timeout=1)
    found = client.get("key")
    if found != b"value":
        raise RuntimeError(f"asked for the key, got {found!r}")
    return "Hello World"
