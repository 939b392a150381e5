"""gunicorn's default: each worker process takes one request after the other."""

NAME = "gunicorn-sync"
PLACE = 3
PACKAGES = ("gunicorn",)
SETTINGS = {"workers": 1}
OPTIONS = {"preload": False, "timeout": 0, "max_requests": 0}
PLACEMENTS = ("first", "late", "after-app", "config", "worker", "by-app")
UNFIT = {}


def at_once(settings):
    """One for each worker."""
    return settings["workers"]


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _gunicorn

    # With more threads, which a configuration may name, gunicorn takes another worker by itself.
    _gunicorn.serve(make_application, (host, port), "sync", {**settings, "threads": 1})
