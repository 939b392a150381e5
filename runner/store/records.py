"""What `run.json` holds: all it takes to read, judge and repeat a run. Units are in the names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from runner.engine.protocol import EngineInfo
from runner.matrix.axes import ALIASES
from runner.matrix.cell import Limits
from runner.measurement.records import Moment, Record
from runner.outcome import Outcome
from runner.store.application_record import ApplicationRecord, BuiltRecord

#: The newest layout of run.json that this program knows.
RUN_SCHEMA: Final = 4
#: What is before each hash of a lock.
_HASH: Final = " \\\n    --hash="


def now() -> str:
    """The moment, as records hold it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Host(Record):
    """The machine that ran the experiment. Its engine may be elsewhere: see `EngineInfo`.

    `boot_id` is of its kernel's start; `hypervisor`: whether its CPU says that it is a virtual
    machine's. Both are None if that is not known.
    """

    hostname: str
    os: str
    kernel: str
    cpus: int
    cpu_model: str | None = None
    memory_bytes: int
    boot_id: str | None = None
    hypervisor: bool | None = None

    @property
    def machine(self) -> Host:
        """The same without what another start changes, and what older records do not have."""
        return self.model_copy(update={"boot_id": None, "hypervisor": None})


class MethodRecord(Record):
    """How the figures were made. Runs of different `version` are doubtful to compare.

    `version` is None if they come from reports of `ab` that were made elsewhere.
    `ab_first_request_alone`: this `ab` sends one request and opens the other connections when it
    is answered, which lowers the ceiling; None if it was not measured. `loadgen_image` is the
    engine's id of the load generator's image, `loadgen_key` a digest of what it was made of.
    """

    version: int | None
    ab_version: str | None = None
    ab_first_request_alone: bool | None = None
    loadgen_image: str | None = None
    loadgen_key: str | None = None
    notes: tuple[str, ...] = ()


class Block(Record):
    """One of the runs that a merged run was made of, or a host of a run that was made on several.

    Those of one machine have one label. Of a host the `run_id` is that of its run.

    The machine is a block of the experiment: what is compared, is compared within it.
    """

    label: str
    run_id: str
    host: Host
    engine: EngineInfo


class BaseRecord(Record):
    """The image that an environment was built on. `origin` is `registry` or `debian`."""

    origin: str
    reference: str
    digest: str | None = None


class EnvironmentRecord(Record):
    """A Python and the exact distributions that cells share, with the image they became.

    The rest is known of environments with an application alone. `moved` are its pins that gave way
    (`greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0`), `added` what it does not name, `built`
    what had no wheel. `of_another_python`: its files do not admit this Python. `contradiction` is
    why its exact versions were taken although their metadata forbids it.
    """

    python: str
    lock: str
    lock_digest: str
    base: BaseRecord
    image_id: str | None = None
    moved: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    built: tuple[BuiltRecord, ...] = ()
    of_another_python: bool = False
    contradiction: str | None = None


#: What is known of environments with an application alone.
_OF_ITS_LOCK: Final = ("moved", "added", "built", "of_another_python", "contradiction")


class CompanionRecord(Record):
    """A service that cells talk to, in a container of its own; `versions` are its packages'.

    `image_id` is the engine's id of its image, `key` a digest of what that was made of.
    """

    image_id: str
    key: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)


def _renamed(stored: Any, within: Sequence[str]) -> Any:  # noqa: ANN401 - whatever a file may hold
    """A record with axes' names of today for those of earlier releases, also `within` it."""
    if not isinstance(stored, dict):
        return stored
    new = {ALIASES.get(name, name): value for name, value in stored.items()}
    for field in within:
        value = new.get(field)
        if isinstance(value, dict):
            new[field] = {ALIASES.get(name, name): text for name, text in value.items()}
        elif isinstance(value, (list, tuple)):
            new[field] = [ALIASES.get(n, n) if isinstance(n, str) else n for n in value]
    return new


class ExpectationRecord(Record):
    """What the matrix file expects of some cells: see `runner.matrix.cell.Expectation`."""

    cells: dict[str, str]
    outcomes: tuple[str, ...] = ()
    whys: tuple[str, ...] = ()
    bounds: tuple[tuple[str, str, float], ...] = ()
    place: str = ""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever a file may hold
        return _renamed(stored, within=("cells",))


class CellRecord(Record):
    """One cell of the run.

    `packages` maps the packages named in the matrix file to exact versions, as far as the cell
    carries them. `placement` is where the patch stands; earlier releases called it `order`, as they
    did the axis. `variables` are environment variables that are axes, by name. `axes` maps each of
    the run's axes to the cell's value, None if the axis was dropped. `environment` is a key of the
    run's `environments`, `companion` one of its `companions`. `image` is the engine's id of its
    image, `image_key` a digest of what that was made of: equal on every engine. The load is
    `concurrency` and `requests` of `ab`, or `rate`, requests per second, for `load_s` seconds; the
    others are None. Instead of `rate` it may have `rate_share`, a share of the rate that the cell
    `rate_of` reaches in its first launch; each launch has the rate that it was loaded at. `server`
    names its settings too (`gunicorn-gthread-w1-t16`). What is not known of a cell whose report was
    made elsewhere is None.
    """

    id: str
    python: str | None
    patch: str | None
    server: str | None
    workload: str | None
    workload_seconds: float | None = None
    workload_parameters: dict[str, str] = Field(default_factory=dict)
    concurrency: int | None
    requests: int | None
    packages: dict[str, str]
    axes: dict[str, str | None]
    environment: str | None = None
    image: str | None = None
    image_key: str | None = None
    placement: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    companion: str | None = None
    rate: float | None = None
    rate_share: float | None = None
    rate_of: str | None = None
    load_s: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever a file may hold
        return _renamed(stored, within=("axes",))

    @model_validator(mode="after")
    def _refuse_half_a_load(self) -> Self:
        if self.load_s is None and (self.rate is not None or self.rate_share is not None):
            raise ValueError("a rate without load_s")
        return self

    @property
    def load(self) -> str:
        """What is sent, in words: `ab -c 100 -n 5000`, `45 requests/s for 60 s`."""
        if self.rate_share is not None:
            return f"{100 * self.rate_share:g}% of the baseline's rate for {self.load_s:g} s"
        if self.rate is None:
            return f"ab -c {self.concurrency} -n {self.requests}"
        return f"{self.rate:g} requests/s for {self.load_s:g} s"


class UnavailableCell(CellRecord):
    """A cell that cannot be measured: `unavailable` or `build-failed`.

    Its `packages` hold versions as requested where there is nothing more exact.
    """

    outcome: Outcome
    reason: str


class RunRecord(Record):
    """One run of an experiment. `cells` are those to measure, in the order of the matrix file.

    `axes` are the names in the order of the file; `baseline` is the partial match, axis to value,
    that speed-ups are taken against. `finished_at` is None while the run lasts and after it was
    interrupted. Times are ISO 8601 with an offset. Of an imported run `host`, `engine`, `limits`,
    `jobs` and `seed` are not known, and `started_at` is when it was imported.

    `launches` is how many each cell has, or has at most where `least_launches` is known: then the
    run stopped after the first round that was precise enough, and `stopped` says why it did, in
    words. `delta` is the share by which a figure must differ before that matters, by the figure's
    name: those that differ from the usual.

    `shard` is the part of the experiment that was run, `2/4`; None for the whole. `blocks` are the
    runs that a merged run was made of; its `host` and `engine` are the first one's, and what they
    did not have in common is None. `repeats` is how often a disturbed launch was repeated at
    most: twice where an older record has none. It means nothing for an imported run.

    `application` is the user's own, None where workloads of this program were measured; a file
    says nothing of it then. Up to schema 3 there is none.

    A file from schema 3 on has the hashes of each distribution once, below `distributions`, and of
    an environment's `lock` only the requirements, as a list. Older files, and locks that differ
    from uv's layout or from another lock's hashes, have the lock's text.
    """

    schema_version: int = RUN_SCHEMA
    run_id: str
    experiment: str
    started_at: Moment
    finished_at: Moment | None = None
    command: tuple[str, ...]
    host: Host | None
    engine: EngineInfo | None
    method: MethodRecord
    axes: tuple[str, ...]
    baseline: dict[str, str]
    limits: Limits | None
    launches: int
    least_launches: int | None = None
    stopped: str | None = None
    delta: dict[str, float] = Field(default_factory=dict)
    repeats: int = 2
    jobs: int | None
    seed: int | None
    cells: tuple[CellRecord, ...]
    environments: dict[str, EnvironmentRecord]
    unavailable: tuple[UnavailableCell, ...] = ()
    companions: dict[str, CompanionRecord] = Field(default_factory=dict)
    expect: tuple[ExpectationRecord, ...] = ()
    left_out: dict[str, str] = Field(default_factory=dict)
    shard: str | None = Field(default=None, pattern=r"^[0-9]{1,6}/[0-9]{1,6}$")
    blocks: tuple[Block, ...] = ()
    application: ApplicationRecord | None = None

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever a file may hold
        return _renamed(stored, within=("axes", "baseline"))

    @model_validator(mode="before")
    @classmethod
    def _join_locks(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever a file may hold
        if not isinstance(stored, dict) or "distributions" not in stored:
            return stored
        run = stored.copy()
        distributions = run.pop("distributions")
        try:
            run["environments"] = {
                key: {**environment, "lock": _joined(environment["lock"], distributions)}
                for key, environment in run["environments"].items()
            }
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError("the locks do not fit the distributions") from error
        return run

    @model_serializer(mode="wrap", when_used="json")
    def _split_locks(self, as_usual: SerializerFunctionWrapHandler) -> dict[str, Any]:
        run: dict[str, Any] = as_usual(self)
        distributions: dict[str, str] = {}
        for environment in run["environments"].values():
            found = _split(environment["lock"])
            known = {name: distributions.setdefault(name, hashes) for name, hashes in found.items()}
            if _text(known) == environment["lock"]:
                environment["lock"] = [*known]
        if self.application is None:
            run.pop("application", None)
            run["environments"] = {
                key: {name: environment[name] for name in environment if name not in _OF_ITS_LOCK}
                for key, environment in run["environments"].items()
            }
        return {**run, "schema_version": RUN_SCHEMA, "distributions": distributions}

    @property
    def hosts(self) -> tuple[str, ...]:
        """The labels of the machines that a merged run was measured on."""
        return tuple(dict.fromkeys(block.label for block in self.blocks))

    @property
    def is_on_hosts(self) -> bool:
        """Whether it is one run that was made on several hosts, not merged from several."""
        return any(block.run_id == self.run_id for block in self.blocks)

    @property
    def is_imported(self) -> bool:
        """Whether the run was made out of reports of `ab` that were made elsewhere."""
        return self.method.version is None


def _split(lock: str) -> dict[str, str]:
    """Each requirement of a lock with its hashes, separated by blanks."""
    entries = [entry.split(_HASH) for entry in re.split(r"\n(?=\S)", lock.rstrip("\n")) if entry]
    return {name: " ".join(hashes) for name, *hashes in entries}


def _joined(lock: str | list[str], distributions: Mapping[str, str]) -> str:
    return lock if isinstance(lock, str) else _text({name: distributions[name] for name in lock})


def _text(requirements: Mapping[str, str]) -> str:
    """The lock of which these are the requirements and their hashes."""
    return "".join(f"{_HASH.join((n, *h.split()))}\n" for n, h in requirements.items())


def machine(run: RunRecord) -> dict[str, object]:
    """Where a run was measured, by the names that a reader knows.

    Of a run of several machines these are only their names. Of an unknown machine only that it is
    unknown.
    """
    host, engine = run.host, run.engine
    if len(run.hosts) > 1:
        return {"host": ", ".join(run.hosts)}
    if host is None or engine is None:
        return {"host": None, "engine": None}
    return {
        "host": host.hostname,
        "CPUs": host.cpus,
        "CPU": host.cpu_model,
        "virtual machine": host.hypervisor,
        "boot": host.boot_id,
        "operating system": host.os,
        "kernel": host.kernel,
        "engine": engine.label,
        "engine's machine": engine.operating_system,
        "engine's kernel": engine.kernel,
        "engine's CPUs": engine.cpus,
        "storage driver": engine.storage_driver,
        "cgroup version": engine.cgroup_version,
    }


def conditions(run: RunRecord) -> dict[str, object]:
    """What two runs must have in common for their figures to be comparable, by a reader's names."""
    method = run.method
    return {
        "method version": "none (imported from ab reports)" if run.is_imported else method.version,
        "experiment": run.experiment,
        "baseline": ", ".join(f"{axis} {value}" for axis, value in run.baseline.items())
        or "no cell",
        **machine(run),
        "ab": method.ab_version,
        "ab sends its first request alone": method.ab_first_request_alone,
        **_settings(run),
    }


def _settings(run: RunRecord) -> dict[str, object]:
    """What only a run of this program has."""
    if run.is_imported or run.limits is None:
        return {}
    return {
        "cells side by side": "auto" if run.jobs == 0 else run.jobs,
        **{f"limit {name}": value for name, value in asdict(run.limits).items()},
    }
