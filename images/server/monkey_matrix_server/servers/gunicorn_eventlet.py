"""gunicorn with eventlet's worker: a greenlet for each request. gunicorn 26 has it no longer.

gunicorn calls `eventlet.monkey_patch()` by itself: when it imports the worker, or in older versions
when the worker starts. gevent's patches and eventlet's exclude each other.
"""

NAME = "gunicorn-eventlet"
PLACE = 6
PACKAGES = ("gunicorn", "eventlet")
VERSIONS = {"gunicorn": "<26"}
SETTINGS = {"workers": 1}
OPTIONS = {"preload": False, "timeout": 0, "max_requests": 0, "worker_connections": 0}
PLACEMENTS = ("first", "by-app")
_EVENTLET = "it patches by eventlet, which cannot be combined with gevent's patches"
UNFIT = {
    "imported": _EVENTLET,
    "gevent": _EVENTLET,
    "gevent-socket": _EVENTLET,
    "gevent-select": _EVENTLET,
    "gevent-time": _EVENTLET,
    "grpc": _EVENTLET,
    "gevent+grpc": _EVENTLET,
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
        "eventlet",
        settings,
        unless_configured={"worker_connections": WORKER_CONNECTIONS},
    )
