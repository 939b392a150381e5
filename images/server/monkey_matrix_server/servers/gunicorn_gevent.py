"""gunicorn with gevent's worker: a greenlet for each request.

The worker calls `monkey.patch_all()` by itself, when it starts and before it builds the
application. There the patch stands unless the matrix file says where else, so `none` and `gevent`
are the same, and `grpc` and `gevent+grpc` call `init_gevent()` right after. A single `patch_*`, or
one that leaves something out, is not possible: the worker patches the rest.
"""

NAME = "gunicorn-gevent"
PLACE = 5
#: `packaging`: gunicorn 26.2's gevent worker imports it, and gunicorn does not depend on it.
PACKAGES = ("gunicorn", "gevent", "packaging")
SETTINGS = {"workers": 1}
OPTIONS = {"preload": False, "timeout": 0, "max_requests": 0, "worker_connections": 0}
PATCHES_ITSELF = True
PLACEMENTS = ("worker", "first", "late", "after-app", "config", "did-patch", "by-app")
_PATCHES_ALL = "its worker patches everything by itself, so a single patch is not possible"
UNFIT = {
    "gevent-socket": _PATCHES_ALL,
    "gevent-select": _PATCHES_ALL,
    "gevent-time": _PATCHES_ALL,
}
#: Connections that a worker takes at once, where the application's configuration does not say.
WORKER_CONNECTIONS = 10000


def at_once(settings):
    """Up to 10,000 for each worker, which is no limit here; or as many as are given."""
    connections = settings.get("worker_connections")
    return connections and settings["workers"] * connections


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _gunicorn

    _gunicorn.serve(
        make_application,
        (host, port),
        "gevent",
        settings,
        unless_configured={"worker_connections": WORKER_CONNECTIONS},
        patches_itself=PATCHES_ITSELF,
    )
