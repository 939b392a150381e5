"""`gevent.monkey.patch_select()` alone."""

NAME = "gevent-select"
PLACE = 4
PACKAGES = ("gevent",)
ARGUMENTS = {"aggressive": True}


def apply(**arguments):
    """Replace `select` only."""
    from gevent import monkey

    monkey.patch_select(**arguments)
