"""A run's record as anybody may read it: no path, name or address of the machine that ran it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import PurePath

from runner.engine.protocol import EngineInfo
from runner.store.records import ExpectationRecord, Host, RunRecord


def public(run: RunRecord) -> RunRecord:
    """The record without what would give away the machine; all that judges the run stays."""
    return run.model_copy(
        update={
            "command": _command(run.command),
            "host": _host(run.host),
            "engine": _engine(run.engine),
            "expect": tuple(_expectation(expected) for expected in run.expect),
        }
    )


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    """`matrix run …` with the last part of each path."""
    return ("matrix", *(_without_directory(word) for word in words[1:]))


def _without_directory(word: str) -> str:
    option, equals, value = word.rpartition("=")
    path = PurePath(value)
    return f"{option}{equals}{path.name}" if path.is_absolute() else word


def _host(host: Host | None) -> Host | None:
    """Its name becomes a digest: runs of one machine are still told from those of another."""
    if host is None:
        return None
    facts = f"{host.hostname} {host.cpu_model} {host.memory_bytes}"
    name = f"host-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"
    return host.model_copy(update={"hostname": name})


def _engine(engine: EngineInfo | None) -> EngineInfo | None:
    if engine is None:
        return None
    return replace(engine, endpoint=engine.endpoint.partition("://")[0])


def _expectation(expected: ExpectationRecord) -> ExpectationRecord:
    """`place` is `matrix.yaml, line 12`, or begins with the file's whole path."""
    directory, slash, rest = expected.place.rpartition("/")
    return expected.model_copy(update={"place": rest}) if directory and slash else expected
