"""Where the patch stands: the server says what has been reached, and the patch is applied there.

The places are those of the matrix file's axis `placement`:

- `first`: before anything else is imported; `late`: after Flask, grpc and requests were;
- `after-app`: after the application was imported, in the process that imports it;
- `config`: before the first line of gunicorn's configuration, in its master;
- `worker`: in the server's worker, after what the worker patches by itself;
- `did-patch`: at gevent's event that all is patched, to which the configuration subscribes;
- `by-app`: nowhere, the application patches itself.
"""

from monkey_matrix_server import effects

FIRST, LATE, AFTER_APP = "first", "late", "after-app"
CONFIG, WORKER, DID_PATCH = "config", "worker", "did-patch"


class Placement:
    """The place of one patch, which is applied there once in a process and its children."""

    def __init__(self):
        self.place, self._apply = FIRST, None

    def choose(self, place, apply):
        """Set what is applied, and where."""
        self.place, self._apply = place, apply

    def stands_at(self, place):
        """Whether a patch is to be applied there."""
        return self.place == place and self._apply is not None

    def reached(self, place):
        """Apply the patch if this is its place."""
        if place == CONFIG and self.place == DID_PATCH and self._apply is not None:
            self._subscribe(self._apply)
            self._apply = None
        elif self.stands_at(place):
            apply, self._apply = self._apply, None
            _applied(apply)

    def server_will_patch(self):
        """Apply the patch after the server's own if it stands in the worker, which has begun."""
        if self.stands_at(WORKER):
            apply, self._apply = self._apply, None
            self._subscribe(apply)

    def _subscribe(self, apply):
        from gevent import events

        def at_event(event):
            if isinstance(event, events.GeventDidPatchBuiltinModulesEvent):
                events.subscribers.remove(at_event)
                _applied(apply)

        events.subscribers.append(at_event)


def _applied(apply):
    apply()
    effects.note(by_label=effects.patched())


placement = Placement()
choose, reached, stands_at = placement.choose, placement.reached, placement.stands_at
server_will_patch = placement.server_will_patch
