"""`grpc.experimental.gevent.init_gevent()` alone.

It makes grpcio's core wait in gevent's loop and replaces nothing of the standard library. It
imports gevent, so the mode needs both.
"""

NAME = "grpc"
PLACE = 6
PACKAGES = ("gevent", "grpcio")


def apply():
    """Make grpcio wait in gevent's loop."""
    from grpc.experimental import gevent

    gevent.init_gevent()
