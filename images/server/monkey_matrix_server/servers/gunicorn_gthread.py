"""gunicorn with a pool of threads in each worker process.

gunicorn's own default is one thread; 16 is what a container with two cores is often given.
"""

NAME = "gunicorn-gthread"
PLACE = 4
PACKAGES = ("gunicorn",)
SETTINGS = {"workers": 1, "threads": 16}
OPTIONS = {"preload": False, "timeout": 0, "max_requests": 0, "worker_connections": 0}
PLACEMENTS = ("first", "late", "after-app", "config", "worker", "by-app")
UNFIT = {}


def at_once(settings):
    """One for each thread, and for each connection that a worker takes."""
    threads = settings["threads"]
    return settings["workers"] * min(threads, settings.get("worker_connections", threads))


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _gunicorn

    _gunicorn.serve(make_application, (host, port), "gthread", settings)
