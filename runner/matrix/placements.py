"""Where a patch stands, and which combinations of that with a server and a patch mode there are.

The rules are here once. `left_out` says why there is no such combination, and `table` is the table
in the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from runner.matrix import plugins
from runner.matrix.servers import Server
from runner.matrix.values import patch_kind, patch_name

FIRST, AFTER_APP, WORKER = "first", "after-app", "worker"
CONFIG, DID_PATCH, BY_APP = "config", "did-patch", "by-app"
#: The places, in the order of tables.
PLACEMENTS: Final[Mapping[str, str]] = {
    FIRST: "before everything else is imported",
    "late": "after Flask, grpc and requests were imported",
    AFTER_APP: "after the application was imported, in the process that imports it",
    CONFIG: "before the first line of gunicorn's configuration, in its master",
    WORKER: "in the server's worker: where gunicorn's gevent worker patches, else as the first "
    "thing in the new process",
    DID_PATCH: "at gevent's event that all is patched (`GeventDidPatchBuiltinModulesEvent`), to "
    "which the gunicorn configuration subscribes",
    BY_APP: "the application patches itself, and the patch mode is `none`",
}
#: What a server lacks where a patch cannot stand.
_LACKS: Final = {
    CONFIG: "it has no configuration in Python",
    WORKER: "it has no worker processes",
    DID_PATCH: "it does not patch by itself, so gevent's event comes with our own patch",
}
_OTHER: Final = "it patches by itself, at a time of its own"
#: The patch modes that are one where a server patches everything by itself: what is left to do.
_REST: Final = {"gevent": "none", "gevent+grpc": "grpc"}
#: Where such a server has patched before.
_AFTER_THE_SERVER: Final = (WORKER, DID_PATCH, AFTER_APP)


class Omission(NamedTuple):
    """A combination that there is not, in words, and the reason."""

    what: str
    why: str


def usual(server: Server) -> str:
    """Where a patch stands with a server unless the matrix file says where."""
    return server.kind.placements[0]


def matters(patch: str, placement: str | None) -> bool:
    """Whether a cell with this patch mode has a placement at all."""
    return patch_kind(patch).patches or (placement == BY_APP and patch == "none")


def left_out(server: Server, patch: str, placement: str | None, *, own: bool) -> Omission | None:
    """Why there is no such cell; None where there is. `own`: it serves the user's application."""
    return next(_reasons(server, patch, placement, own=own), None)


def _reasons(server: Server, patch: str, placement: str | None, *, own: bool) -> Iterator[Omission]:
    kind, name = server.kind, patch_name(patch)
    under = f"under {kind.name}"
    if why := kind.unfit.get(name):
        yield Omission(f"patch {name} {under}", why)
    if placement is None:
        return
    if placement == BY_APP and name != "none":
        why = "the application patches itself, so the patch mode is `none`"
        yield Omission(f"patch {patch} with placement {BY_APP}", why)
    if placement == BY_APP and not own:
        yield Omission(f"placement {BY_APP}", "only an application of yours patches itself")
    if placement not in kind.placements:
        yield Omission(f"placement {placement} {under}", _LACKS.get(placement, _OTHER))
    if kind.patches_itself and patch != name:
        why = "it patches everything by itself, so that nothing can be left out"
        yield Omission(f"patch {patch} {under}", why)
    if placement == DID_PATCH and name not in {"grpc", "gevent+grpc"}:
        why = "gevent has patched everything at its event, only `init_gevent` is left to do"
        yield Omission(f"patch {patch} with placement {DID_PATCH}", why)
    if placement == AFTER_APP and _has_patched(server, placement) and name == "gevent":
        why = "without `preload` its worker has patched everything before"
        yield Omission(f"patch {patch} with placement {AFTER_APP} {under}", why)


def same_as(server: Server, patch: str, placement: str | None) -> str | None:
    """The patch mode that comes to the same in this place, as the server does the rest itself."""
    return _REST.get(patch) if _has_patched(server, placement) else None


def _has_patched(server: Server, placement: str | None) -> bool:
    """Whether the server has patched everything before the patch mode's turn comes."""
    if placement == AFTER_APP and dict(server.settings).get("preload"):
        return False
    return server.kind.patches_itself and placement in _AFTER_THE_SERVER


def table() -> str:
    """The combinations as a table in Markdown: which patch modes there are by server and place."""
    places = [*PLACEMENTS]
    lines = [f"| server | {' | '.join(f'`{place}`' for place in places)} |"]
    lines.append("|---" * (len(places) + 1) + "|")
    lines += [
        f"| `{kind.name}` | {' | '.join(_patches(Server(name=kind.name), p) for p in places)} |"
        for kind in plugins.servers().values()
    ]
    return "\n".join(lines)


def _patches(server: Server, placement: str) -> str:
    """The patch modes that can stand there."""
    names = [
        name
        for name in plugins.patches()
        if matters(name, placement) and left_out(server, name, placement, own=True) is None
    ]
    every = [name for name, mode in plugins.patches().items() if mode.patches]
    words = (
        "all"
        if names == every
        else ", ".join(f"`{name}`" for name in _distinct(server, names, placement))
    )
    return (f"{words} (usual)" if words and placement == usual(server) else words) or "–"


def _distinct(server: Server, names: list[str], placement: str) -> Iterator[str]:
    """The names, without those that come to the same as another one."""
    for name in names:
        same = same_as(server, name, placement)
        if same not in names:
            yield name
