"""`gevent.monkey.patch_all()`, then `grpc.experimental.gevent.init_gevent()`."""

NAME = "gevent+grpc"
PLACE = 7
PACKAGES = ("gevent", "grpcio")


def apply():
    """Patch both, the standard library first, as gevent requires."""
    from gevent import monkey

    monkey.patch_all()

    from grpc.experimental import gevent

    gevent.init_gevent()
