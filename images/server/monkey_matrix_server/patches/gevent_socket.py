"""`gevent.monkey.patch_socket()` alone."""

NAME = "gevent-socket"
PLACE = 3
PACKAGES = ("gevent",)


def apply():
    """Replace `socket` only."""
    from gevent import monkey

    monkey.patch_socket()
