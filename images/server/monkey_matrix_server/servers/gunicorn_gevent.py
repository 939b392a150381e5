"""gunicorn with gevent's worker: a greenlet for each request.

The worker calls `monkey.patch_all()` by itself, when it starts and before it builds the
application. So `none` means here: patched by the server, in the worker; `gevent`: patched already
in the master, before gunicorn was imported; `grpc` and `gevent+grpc`: `init_gevent()` is called as
well, which the worker does not do. A single `patch_*` is not possible: the worker patches the rest.
"""

NAME = "gunicorn-gevent"
PLACE = 5
#: `packaging`: gunicorn 26.2's gevent worker imports it, and gunicorn does not depend on it.
PACKAGES = ("gunicorn", "gevent", "packaging")
SETTINGS = {"workers": 1}
_PATCHES_ALL = "its worker patches everything by itself, so a single patch is not possible"
UNFIT = {
    "gevent-socket": _PATCHES_ALL,
    "gevent-select": _PATCHES_ALL,
    "gevent-time": _PATCHES_ALL,
}
#: Connections that a worker takes at once, where the application's configuration does not say.
WORKER_CONNECTIONS = 10000


def at_once(_settings):
    """Up to 10,000 for each worker, which is no limit here."""


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _gunicorn

    _gunicorn.serve(
        make_application,
        (host, port),
        "gevent",
        settings,
        unless_configured={"worker_connections": WORKER_CONNECTIONS},
    )
