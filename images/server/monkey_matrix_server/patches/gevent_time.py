"""`gevent.monkey.patch_time()` alone."""

NAME = "gevent-time"
PLACE = 5
PACKAGES = ("gevent",)


def apply():
    """Replace `time` only."""
    from gevent import monkey

    monkey.patch_time()
