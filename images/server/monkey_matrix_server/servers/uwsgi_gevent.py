"""uWSGI with gevent's loop: a greenlet for each request, as many as `greenlets`.

`--gevent-monkey-patch` makes each worker call `monkey.patch_all()` by itself, after the master has
loaded the application.
"""

NAME = "uwsgi-gevent"
PLACE = 9
PACKAGES = ("pyuwsgi", "gevent")
SETTINGS = {"workers": 1, "greenlets": 1000}
PATCHES_ITSELF = True
PLACEMENTS = ("worker", "first", "late", "by-app")
_PATCHES_ALL = "its workers patch everything by themselves, so a single patch is not possible"
UNFIT = {
    "gevent-socket": _PATCHES_ALL,
    "gevent-select": _PATCHES_ALL,
    "gevent-time": _PATCHES_ALL,
}


def at_once(settings):
    """One for each greenlet."""
    return settings["workers"] * settings["greenlets"]


def serve(make_application, host, port, settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _uwsgi

    processes, greenlets = settings["workers"], settings["greenlets"]
    options = ["--processes", str(processes), "--gevent", str(greenlets), "--gevent-monkey-patch"]
    _uwsgi.serve(make_application, (host, port), options, patches_itself=PATCHES_ITSELF)
