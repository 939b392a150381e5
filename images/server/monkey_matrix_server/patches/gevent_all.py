"""`gevent.monkey.patch_all()`."""

NAME = "gevent"
PLACE = 2
PACKAGES = ("gevent",)


def apply():
    """Replace the standard library's blocking calls by gevent's."""
    from gevent import monkey

    monkey.patch_all()
