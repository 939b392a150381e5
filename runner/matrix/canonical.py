"""What cannot matter for a cell, and so is dropped from it: the unpatched one needs no gevent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from runner.matrix import catalogue
from runner.matrix.words import server, workload

#: Patch mode, server, workload, and the parameters that decide which packages a workload imports.
Deciding: TypeAlias = tuple[str, str, str, tuple[tuple[str, str], ...]]


def decides(settings: Mapping[str, str]) -> Deciding:
    """Of a cell's settings those that decide what else can matter for it."""
    chosen = tuple((name, settings[name]) for name in _deciding_parameters() if name in settings)
    return settings["patch"], settings["server"], settings["workload"], chosen


@cache
def _deciding_parameters() -> tuple[str, ...]:
    return tuple(sorted({p for kind in catalogue.workloads().values() for p in kind.packages_by}))


@cache
def needed_packages(deciding: Deciding) -> frozenset[str]:
    """The packages that a cell's patch mode, server and workload import."""
    patch, served, name, chosen = deciding
    work = workload(name, dict(chosen))
    return (
        catalogue.patches()[patch].packages
        | server(served).kind.packages
        | work.kind.packages_with(dict(work.parameters))
    )


@cache
def irrelevant(deciding: Deciding) -> frozenset[str]:
    """The axes without any effect.

    Packages that nothing imports, other workloads' parameters, when to patch where nothing is.
    """
    unused = catalogue.optional_packages() - needed_packages(deciding)
    unused |= catalogue.parameters() - catalogue.workloads()[deciding[2]].parameters.keys()
    return unused | {"order"} if deciding[0] == "none" else unused


@cache
def makes_no_sense(patch: str, served: str) -> str | None:
    """Why a patch mode is not to be had under a server, None where it is."""
    return server(served).kind.unfit.get(patch)
