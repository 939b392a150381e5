"""A run's record as anybody may read it: no path, name or address of the machine that ran it.

What was anonymous before stays as it is, so that a published run can be published again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from runner.engine.protocol import EngineInfo
from runner.measurement.records import UNKNOWN_BOOT, LaunchRecord
from runner.store.application_record import ApplicationRecord
from runner.store.records import Block, EnvironmentRecord, ExpectationRecord, Host, RunRecord

_DIGEST: Final = "[0-9a-f]{8}"


def public(run: RunRecord) -> RunRecord:
    """The record without what would give away the machine; all that judges the run stays."""
    return run.model_copy(
        update={
            **_unavailable(run),
            "command": _command(run.command),
            "host": _host(run.host),
            "engine": _engine(run.engine),
            "expect": tuple(_expectation(expected) for expected in run.expect),
            "application": _application(run.application),
            "environments": {
                key: environment.model_copy(update=_of_its_lock(environment))
                for key, environment in run.environments.items()
            },
            "blocks": tuple(_block(block, machines(run)[block.label]) for block in run.blocks),
        }
    )


#: An absolute path of the host in a text: not of an address, nor of where a cell has its own.
_PATH: Final = re.compile(
    r"(?<![\w.:/~-])/(?!(?:application|site|server|files|tmp|dev|proc|usr|etc)\b)[\w.@+~-]+"
    r"(?:/[\w.@+~-]+)+/?"
)


def _without_paths(text: str) -> str:
    """The text with the last part alone of each absolute path of the host."""
    return _PATH.sub(lambda match: PurePath(match[0]).name, text)


def _unavailable(run: RunRecord) -> dict[str, object]:
    """Reasons of the cells without a launch, as they are updated: none where there are none."""
    cells = (
        cell.model_copy(update={"reason": _without_paths(cell.reason)}) for cell in run.unavailable
    )
    return {"unavailable": tuple(cells)} if run.unavailable else {}


def _application(application: ApplicationRecord | None) -> ApplicationRecord | None:
    """Paths in it are relative, but for what was named by a whole path."""
    if application is None:
        return None
    update = {"requirements": tuple(map(_without_directory, application.requirements))}
    return application.model_copy(update=update)


def _of_its_lock(environment: EnvironmentRecord) -> dict[str, object]:
    """Where distributions were built from, and uv's own words, without directories of the host."""
    if not environment.built and not environment.contradiction and not environment.moved:
        return {}
    return {
        "moved": tuple(map(_without_paths, environment.moved)),
        "built": tuple(
            one.model_copy(update={"origin": _without_paths(one.origin)})
            for one in environment.built
        ),
        "contradiction": environment.contradiction and _without_paths(environment.contradiction),
    }


def public_launches(
    run: RunRecord, launches: Mapping[str, Sequence[LaunchRecord]]
) -> dict[str, list[LaunchRecord]]:
    """Each cell's launches, with the machines and boots under the names that its record has."""
    names = machines(run)
    return {
        cell: [_launch(launch, names) for launch in of_cell] for cell, of_cell in launches.items()
    }


def _launch(launch: LaunchRecord, names: Mapping[str, str]) -> LaunchRecord:
    update = {}
    if launch.block:
        update["block"] = names[launch.block]
    if launch.other_boot and launch.other_boot != UNKNOWN_BOOT:
        update["other_boot"] = _digest_of(launch.other_boot)
    return launch.model_copy(update=update) if update else launch


def machines(run: RunRecord) -> dict[str, str]:
    """What the machines of a merged run, labelled with their host's name, are called in public."""
    labels = dict.fromkeys(block.label for block in run.blocks)
    return {label: f"machine {number}" for number, label in enumerate(labels, start=1)}


def _block(block: Block, name: str) -> Block:
    update = {"label": name, "host": _host(block.host), "engine": _engine(block.engine)}
    return block.model_copy(update=update)


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    """`matrix run …` with the last part of each path."""
    return ("matrix", *(_without_directory(word) for word in words[1:]))


def _without_directory(word: str) -> str:
    option, equals, value = word.rpartition("=")
    path = PurePath(value)
    return f"{option}{equals}{path.name}" if path.is_absolute() else word


def _host(host: Host | None) -> Host | None:
    """Its name becomes a digest: runs of one machine are still told from those of another.

    So does its boot's id.
    """
    if host is None or re.fullmatch(f"host-{_DIGEST}", host.hostname):  # published before
        return host
    facts = f"{host.hostname} {host.cpu_model} {host.memory_bytes}"
    boot_id = host.boot_id and _short_digest(host.boot_id)
    return host.model_copy(update={"hostname": f"host-{_short_digest(facts)}", "boot_id": boot_id})


def _engine(engine: EngineInfo | None) -> EngineInfo | None:
    if engine is None:
        return None
    engine_id = engine.engine_id and _digest_of(engine.engine_id)
    return replace(engine, endpoint=engine.endpoint.partition("://")[0], engine_id=engine_id)


def _digest_of(text: str) -> str:
    """The text's digest; one that is a digest already stays as it is."""
    return text if re.fullmatch(_DIGEST, text) else _short_digest(text)


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _expectation(expected: ExpectationRecord) -> ExpectationRecord:
    """`place` is `matrix.yaml, line 12`, or begins with the file's whole path."""
    directory, slash, rest = expected.place.rpartition("/")
    return expected.model_copy(update={"place": rest}) if directory and slash else expected
