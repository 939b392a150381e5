"""What is in effect in a serving process, whatever its label says: the application may patch, too.

Written down once, at the process's first request. It looks at what is loaded and imports nothing
that could change it.
"""

import os
import sys
import time

from monkey_matrix_server import contract

#: What is known before the first request, by the names that the file has for it.
_noted = {
    "by_label": None,
    "gunicorn_config": None,
    "overridden": {},
    "worker_class": None,
    "application": None,
    "patched_by": None,
}
#: What eventlet can patch; either of them says that it did.
EVENTLET = ("os", "select", "socket", "thread", "time")
now = time.monotonic_ns


def note(**facts):
    """Remember a fact for the file."""
    for name in facts:
        if name not in _noted:
            raise TypeError("there is no %r" % name)
    _noted.update(facts)


def note_once(**facts):
    """Remember a fact of which none is known yet."""
    note(**{name: fact for name, fact in facts.items() if _noted.get(name) is None})


def patched():
    """What is patched in this process at this moment."""
    return {
        "gevent": _gevent(),
        "grpc": _grpc(),
        "psycopg2_wait_callback": _psycopg2(),
        "eventlet": _eventlet(),
    }


def name_of(kind):
    """A class by its full name."""
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def write():
    """Write all of it for this process; that it cannot is no reason to fail a request."""
    path = "%s%d-%d" % (contract.EFFECTS, os.getpid(), now())
    unfinished = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
    try:
        import json

        text = json.dumps(dict(patched(), **_noted))
        with open(unfinished, "w") as file:
            file.write(text)
        os.rename(unfinished, path)
    except Exception as error:
        print("what is in effect is not recorded: %r" % (error,), file=sys.stderr)


def _gevent():
    """Gevent's version and the modules of which it replaced something; None: it is not loaded."""
    gevent, monkey = sys.modules.get("gevent"), sys.modules.get("gevent.monkey")
    if gevent is None:
        return None
    saved = getattr(monkey, "saved", {})
    # Beside the modules, by their names, gevent keeps there how it was called.
    modules = sorted(name for name in saved if saved[name] and not name.startswith("_gevent"))
    return {"version": gevent.__version__, "modules": modules}


def _grpc():
    """Whether `init_gevent` was called: the core of grpcio 1.53 to 1.85 says so by this name."""
    cygrpc = sys.modules.get("grpc._cython.cygrpc")
    return bool(getattr(cygrpc, "g_gevent_activated", False))


def _psycopg2():
    extensions = sys.modules.get("psycopg2.extensions")
    return extensions is not None and extensions.get_wait_callback() is not None


def _eventlet():
    patcher = sys.modules.get("eventlet.patcher")
    return patcher is not None and any(patcher.is_monkey_patched(name) for name in EVENTLET)
