"""uWSGI with a pool of threads in each worker process."""

NAME = "uwsgi"
PLACE = 8
PACKAGES = ("pyuwsgi",)
SETTINGS = {"workers": 1, "threads": 16}
PLACEMENTS = ("first", "late", "after-app", "worker", "by-app")
UNFIT = {}


def at_once(settings):
    """One for each thread."""
    return settings["workers"] * settings["threads"]


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _uwsgi

    processes, threads = settings["workers"], settings["threads"]
    options = ["--processes", str(processes), "--threads", str(threads)]
    _uwsgi.serve(make_application, (host, port), options)
