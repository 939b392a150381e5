"""What was patched in a cell's processes, where that is not what the patch mode says, and by whom.

With the patch mode `none` something else may patch: the application or its configuration, or the
server, as gunicorn's gevent worker does when it starts. Of a server that is expected; of an
application the table says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from runner.matrix import plugins
from runner.matrix.placements import BY_APP
from runner.matrix.servers import server_name
from runner.measurement.records import Effects, LaunchRecord, Patched
from runner.text import counted, listed

#: What `patch_all()` replaces parts of, whatever the versions of gevent and Python.
ALL: Final = ("os", "select", "signal", "socket", "ssl", "subprocess", "threading", "time")
#: So many modules that are not patched are named instead of those that are.
FEW: Final = 3


class Source(StrEnum):
    """Who brought about what no patch mode did."""

    SERVER = "server"
    APPLICATION = "application"


def patched_text(patched: Patched) -> str:
    """What is patched: `gevent (all), init_gevent, psycopg2 wait callback`, or `nothing`."""
    return ", ".join(_parts(patched)) or "nothing"


def _parts(patched: Patched) -> Iterator[str]:
    if modules := _modules(patched):
        yield f"gevent ({_which(modules)})"
    elif patched.gevent_version:
        yield f"gevent {patched.gevent_version} imported"
    if patched.grpc:
        yield "init_gevent"
    if patched.psycopg2_wait_callback:
        yield "psycopg2 wait callback"
    if patched.eventlet:
        yield "eventlet"


def _modules(patched: Patched) -> list[str]:
    """The modules that matter: gevent's table of what it saved also has parts of these."""
    return [module for module in ALL if module in patched.gevent_modules]


def _which(modules: Sequence[str]) -> str:
    missing = [module for module in ALL if module not in modules]
    if not missing:
        return "all"
    return f"all but {listed(missing)}" if len(missing) <= FEW else ", ".join(modules)


def source_of(effects: Effects, server: str | None) -> Source | None:
    """Who brought about what is in effect beyond the label; None where nothing is."""
    seen, label = effects.in_effect, effects.by_label
    if patched_text(seen) == patched_text(label):
        return None
    name = server_name(server or "")
    kind = plugins.servers().get(name)
    own: dict[str, object] = {}
    if kind and "gevent" in kind.packages:  # the server is made of it
        own["gevent_version"] = seen.gevent_version
    if kind and kind.patches_itself:
        own["gevent_modules"] = seen.gevent_modules
    if kind and "eventlet" in kind.packages:
        own["eventlet"] = seen.eventlet
    expected = patched_text(label.model_copy(update=own))
    return Source.SERVER if patched_text(seen) == expected else Source.APPLICATION


def beyond_label(launches: Iterable[LaunchRecord], server: str | None) -> list[Source | None]:
    """Who brought about what is in effect in each launch of which that is known."""
    return [source_of(one.effects, server) for one in launches if one.effects]


def in_effect(launches: Iterable[LaunchRecord], server: str | None) -> str | None:
    """What is in effect in a cell, None where that is what the label says, or not known."""
    known = [launch.effects for launch in launches if launch.effects]
    beyond = [one for one in known if source_of(one, server)]
    text = " or ".join(dict.fromkeys(patched_text(one.in_effect) for one in beyond))
    if len(beyond) < len(known) and beyond:
        return f"{text} ({len(beyond)} of {counted(len(known), 'launch')})"
    return text or None


def explained(effects: Effects, server: str | None, placement: str | None = None) -> str | None:
    """What is in effect instead of what the label says, and by whom, for a note."""
    source = source_of(effects, server)
    if source is None:
        if placement == BY_APP:
            return f"nothing is patched, although the application should do it (`{BY_APP}`)"
        return None
    seen = patched_text(effects.in_effect)
    if source is Source.SERVER:
        return f"{seen}: the server {server_name(server or '')} does so by itself, as it is made to"
    label = patched_text(effects.by_label)
    if placement == BY_APP:
        return f"{seen}: by {_suspects(effects)}, as the matrix file says (`{BY_APP}`)"
    return f"{seen}, where the patch mode itself did {label}: by {_suspects(effects)}"


def _suspects(effects: Effects) -> str:
    """Who patched, by the place in the code; else whose code ran besides the cell's own."""
    if effects.patched_by and effects.in_effect.gevent_modules != effects.by_label.gevent_modules:
        return effects.patched_by
    own_class = effects.worker_class if "." in (effects.worker_class or "") else None
    return listed([*filter(None, (own_class, effects.gunicorn_config)), "the application"], "or")
