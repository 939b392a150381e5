"""What a first look is told: an application's routes, and how long each request computes.

Only where MATRIX_LOOK is set, in a launch that is not measured. Each process writes lines of JSON
into /dev/shm, which it shares with the pod's sidecar: first its routes, then a line for each
request, with how long it was in the application, how much of that its thread computed, and for how
much of it the thread waited for a CPU, in ns.
"""

import os
import sys
import time

from monkey_matrix_server import contract

#: More routes are not told, and an application is looked for in so many wrappers.
MOST_ROUTES, MOST_WRAPPERS = 500, 8
#: What a wrapper calls the application in it.
WRAPPED = ("wsgi_app", "app", "application", "_app", "__self__")
now, computed = time.monotonic_ns, time.thread_time_ns


def times():
    """Return the three clocks of this thread that are told of."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            delayed = int(file.read().split()[1])
    except (OSError, IndexError):  # a kernel that does not count it
        delayed = 0
    return now(), computed(), delayed


def is_wanted():
    """Whether this is such a launch."""
    return bool(os.environ.get("MATRIX_LOOK"))


def routes(application):
    """Return the paths that take GET and no argument, in the order of the application's rules."""
    url_map = _url_map(application)
    if url_map is None:
        return []
    found = [
        rule.rule
        for rule in url_map.iter_rules()
        if "GET" in (rule.methods or ("GET",))
        and not rule.arguments
        and not getattr(rule, "websocket", False)
        and not rule.build_only
    ]
    return list(dict.fromkeys(found))[:MOST_ROUTES]


def _url_map(application):
    """The map of an application, or of the one that a wrapper has; None where there is none."""
    for _ in range(MOST_WRAPPERS):
        url_map = getattr(application, "url_map", None)
        if hasattr(url_map, "iter_rules"):
            return url_map
        inner = (getattr(application, name, None) for name in WRAPPED)
        application = next((one for one in inner if callable(one)), None)
        if application is None:
            break
    return None


class Looked:
    """A WSGI application whose requests are timed."""

    def __init__(self, application):
        self._application = application
        self._has_told = False

    def __getattr__(self, name):
        """Hooks of a server's may ask for what the application has."""
        return getattr(self._application, name)

    def __call__(self, environ, start_response):
        """Answer a request as the application does."""
        begun = times()
        try:
            parts = self._application(environ, start_response)
        except BaseException:
            self._tell(begun)
            raise
        return Answer(parts, begun, self._tell)

    def _tell(self, begun):
        """Write how long a request took; that this cannot be told is no reason to fail it."""
        ended = times()
        try:
            import json

            names = ("took_ns", "computed_ns", "delayed_ns")
            lines = [{name: ended[n] - begun[n] for n, name in enumerate(names)}]
            if not self._has_told:
                lines.insert(0, {"routes": routes(self._application)})
            with open("%s%d" % (contract.LOOKED, os.getpid()), "a") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))
            self._has_told = True
        except Exception as error:
            print("a request is not told of: %r" % (error,), file=sys.stderr)


class Answer:
    """What the application answers to one request."""

    def __init__(self, parts, begun, tell):
        self._parts, self._begun, self._tell = parts, begun, tell

    def __iter__(self):
        return iter(self._parts)

    def close(self):
        """The server is done with the answer."""
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            self._tell(self._begun)
