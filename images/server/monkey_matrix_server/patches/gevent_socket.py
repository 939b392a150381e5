"""`gevent.monkey.patch_socket()` alone."""

NAME = "gevent-socket"
PLACE = 3
PACKAGES = ("gevent",)
ARGUMENTS = {"dns": True, "aggressive": True}


def apply(**arguments):
    """Replace `socket` only."""
    from gevent import monkey

    monkey.patch_socket(**arguments)
