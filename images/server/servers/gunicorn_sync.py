"""gunicorn's default: each worker process takes one request after the other."""

NAME = "gunicorn-sync"
PLACE = 3
PACKAGES = ("gunicorn",)
SETTINGS = {"workers": 1}
UNFIT = {}


def at_once(settings):
    """One for each worker."""
    return settings["workers"]


def serve(make_application, host, port, settings):
    """Serve forever."""
    from servers import _gunicorn

    _gunicorn.serve(make_application, host, port, "sync", settings)
