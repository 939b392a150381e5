"""`gevent.monkey.patch_all()`, then `grpc.experimental.gevent.init_gevent()`."""

NAME = "gevent+grpc"
PLACE = 7
PACKAGES = ("gevent", "grpcio")
#: What `patch_all()` may be told to leave out, or to do beside.
ARGUMENTS = {
    "socket": True,
    "dns": True,
    "time": True,
    "select": True,
    "thread": True,
    "os": True,
    "ssl": True,
    "subprocess": True,
    "sys": False,
    "aggressive": True,
    "Event": True,
    "builtins": True,
    "signal": True,
    "queue": None,
    "contextvars": None,
}


def apply(**arguments):
    """Patch both, the standard library first, as gevent requires."""
    from gevent import monkey

    monkey.patch_all(**arguments)

    from grpc.experimental import gevent

    gevent.init_gevent()
