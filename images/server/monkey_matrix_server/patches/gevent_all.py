"""`gevent.monkey.patch_all()`."""

NAME = "gevent"
PLACE = 2
PACKAGES = ("gevent",)
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
    """Replace the standard library's blocking calls by gevent's."""
    from gevent import monkey

    monkey.patch_all(**arguments)
