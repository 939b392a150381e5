"""What gunicorn reads by itself in the directory it is started in."""

import os

bind = "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
timeout = 60
accesslog = "-"


def on_starting(server):
    """The master begins."""
    server.log.warning("shop: starting with %d worker(s)", server.cfg.workers)


def post_fork(server, worker):
    """Open the channel to the warehouse in the worker: none survives a fork."""
    from shop import stock

    stock.open_channel()
    server.log.warning("shop: worker %d has its channel", worker.pid)
