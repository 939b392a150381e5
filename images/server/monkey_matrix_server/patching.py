"""Who patches besides the patch mode: the place in the code that called gevent first.

A library that patches when it is imported makes another thing of a cell that patches nothing, and
nobody would know which library. Nothing is imported for it: once something else imports
`gevent.events`, as gevent does when it patches, a subscriber is added to these.
"""

import sys

from monkey_matrix_server import effects

EVENTS = "gevent.events"
#: The events that come before something is replaced.
WILL_PATCH = ("GeventWillPatchAllEvent", "GeventWillPatchModuleEvent")
OURS = __name__.partition(".")[0]
#: Whose code lies between a caller and an event.
BETWEEN = ("gevent", "zope", "importlib", "_frozen_importlib")


class Watch:
    """A finder of modules that finds nothing but `gevent.events`, and that only once."""

    def __init__(self, subscribers):
        self._subscribers = subscribers

    def find_spec(self, name, path=None, target=None):
        """Return the module's spec, which subscribes when it is loaded."""
        if name != EVENTS:
            return None
        stop()
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_subscribe(module):
                load(module)
                module.subscribers.extend(self._subscribers)

            spec.loader.exec_module = load_and_subscribe
        return spec


def start(*subscribers):
    """Watch from now on; further `subscribers` are told of gevent's events as well."""
    sys.meta_path.insert(0, Watch([_note, *subscribers]))


def stop():
    """Watch no longer."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Watch)]


def _note(event):
    """Note who called gevent; the first that is not this program."""
    if type(event).__name__ not in WILL_PATCH:
        return
    frame = sys._getframe(1)  # noqa: SLF001 - its documented name
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package == OURS:
            return
        if package not in BETWEEN:
            effects.note_once(patched_by="%s:%d" % (_relative(frame), frame.f_lineno))
            return
        frame = frame.f_back


def _relative(frame):
    """The file of a frame from the directory that it is imported from."""
    path = frame.f_code.co_filename
    above = [entry for entry in sys.path if entry and path.startswith(entry.rstrip("/") + "/")]
    return path[len(max(above, key=len).rstrip("/")) + 1 :] if above else path
