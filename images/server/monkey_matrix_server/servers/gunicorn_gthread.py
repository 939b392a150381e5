"""gunicorn with a pool of threads in each worker process.

gunicorn's own default is one thread; 16 is what a container with two cores is often given.
"""

NAME = "gunicorn-gthread"
PLACE = 4
PACKAGES = ("gunicorn",)
SETTINGS = {"workers": 1, "threads": 16}
UNFIT = {}


def at_once(settings):
    """One for each thread."""
    return settings["workers"] * settings["threads"]


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _gunicorn

    _gunicorn.serve(make_application, (host, port), "gthread", settings)
