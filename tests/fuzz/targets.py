"""What gets the inputs: each target makes one by chance, and takes it as the program would."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from runner.commands.imports import _reports, shared_facts
from runner.commands.runs import compared, exported, shown, table_text
from runner.engine.protocol import ContainerSpec, ExecResult
from runner.errors import EngineError
from runner.matrix import file
from runner.measurement.launch import Launch
from runner.measurement.records import LAUNCH_SCHEMA, LaunchRecord
from runner.options import ExportFormat, Format
from runner.store.import_ab import run_of_reports
from runner.store.records import RUN_SCHEMA, RunRecord
from runner.store.run_directory import RESULT, RunDirectory, read_record
from tests.fuzz import mutate
from tests.fuzz.messages import Messages
from tests.fuzz.target import Target
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "tests" / "data" / "records"
#: The largest file that is changed: of larger ones a change reaches nothing new, and takes longer.
LARGEST = 8000


# -- matrix.yaml -----------------------------------------------------------------------------------

KEYS = (
    "extends",
    "axes",
    "packages",
    "exclude_newer",
    "workload",
    "load",
    "limits",
    "base",
    "launches",
    "repeats",
    "delta",
    "baseline",
    "include",
    "exclude",
    "expect",
    "server",
    "patch",
    "x",
)
AXES = (
    "python",
    "gevent",
    "grpcio",
    "patch",
    "server",
    "workload",
    "seconds",
    "concurrency",
    "rate",
    "copy",
    "placement",
    "env.X",
    "flask",
    "requests",
)
SCALARS = (
    "3.11",
    "3.12",
    "25.9.1",
    "24.*",
    ">=24,<26",
    "none",
    "gevent",
    "gevent+grpc",
    "grpc",
    "werkzeug",
    "gunicorn-gthread-w1-t16",
    "pywsgi",
    "sleep",
    "compute",
    "0.5",
    "2",
    "45",
    "50%",
    "closed",
    "first",
    "late",
    "latest",
    "latest-3",
    "512m",
    "auto",
    "debian",
    "2026-11-01",
    "ok",
    "> 1",
)
MOST_EXPERIMENTS = 3
#: Of the inputs, how many are generated, and real ones changed in their values; the others are real
#: ones changed in their text.
GENERATED, CHANGED = 0.1, 0.45
#: libyaml's, where PyYAML was built with it.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Matrix(Target):
    """`matrix.yaml`: read, and each experiment expanded."""

    name = "matrix"

    @cached_property
    def texts(self) -> list[str]:
        found = [ROOT / "matrix.yaml", *ROOT.glob("examples/*/matrix.yaml")]
        found += ROOT.glob("tests/data/**/*.yaml")
        whole = [path.read_text(encoding="utf-8") for path in sorted(found)]
        return [part for text in whole for part in _experiments(text)]

    @cached_property
    def values(self) -> list[Any]:
        return [found for text in self.texts if (found := _plain(text))]

    def make(self, chance: random.Random) -> bytes:
        how = chance.random()
        if how < GENERATED:
            return yaml.dump(self._generated(chance), Dumper=DUMPER, sort_keys=False).encode()
        if how < GENERATED + CHANGED:
            made = mutate.value(chance, chance.choice(self.values), SCALARS)
            return yaml.dump(made, Dumper=DUMPER, sort_keys=False).encode()
        return mutate.as_bytes(chance, mutate.text(chance, self.texts))

    def _generated(self, chance: random.Random) -> dict[str, Any]:
        names = chance.sample(("a", "b", "c", "latest", "a b"), chance.randint(1, MOST_EXPERIMENTS))
        return {"version": 1, "experiments": {name: self._experiment(chance) for name in names}}

    def _experiment(self, chance: random.Random) -> dict[str, Any]:
        keys = {"axes", *chance.sample(KEYS, chance.randint(0, 5))}
        return {key: self._section(chance, key) for key in sorted(keys)}

    def _section(self, chance: random.Random, key: str) -> Any:
        if key == "axes":
            names = {"python", "patch", *chance.sample(AXES, chance.randint(0, 4))}
            return {name: _some(chance, SCALARS) for name in sorted(names)}
        if chance.random() < 0.6:
            names = {*chance.sample((*AXES, "startup", "memory", "min", "max", "kind", "name"), 3)}
            section = {name: _some(chance, SCALARS) for name in sorted(names)}
            return [section] if chance.random() < 0.3 else section
        return _some(chance, (*SCALARS, "a", "b"))

    def take(self, made: bytes, chance: random.Random) -> None:
        loaded = file.load(self._file("matrix.yaml", made))
        for name in loaded.sections:
            loaded.experiment(name)


def _some(chance: random.Random, words: tuple[str, ...]) -> Any:
    chosen = [chance.choice(words) for _ in range(chance.randint(0, 3))]
    return chosen if len(chosen) != 1 or chance.random() < 0.3 else chosen[0]


def _plain(text: str) -> Any:
    """The text's values, None if they are more than texts, lists and mappings of them."""
    try:
        return yaml.load(text, Loader=yaml.CBaseLoader)
    except yaml.YAMLError:
        return None


def _experiments(text: str) -> Iterator[str]:
    """A file's experiments, each as a file of its own; the file itself if it is small."""
    if len(text) < LARGEST:
        yield text
    content = yaml.safe_load(text) if "experiments" in text else None
    for name, section in (content or {}).get("experiments", {}).items():
        yield yaml.safe_dump({"version": 1, "experiments": {name: section}}, sort_keys=False)


# -- reports of ab ---------------------------------------------------------------------------------


class Reports(Target):
    """Reports of `ab` made elsewhere: read, and made a run of."""

    name = "reports"

    @cached_property
    def texts(self) -> list[str]:
        found = [*ROOT.glob("tests/data/*.txt"), *ROOT.glob("tests/data/reports/**/*.*")]
        read = (path.read_bytes() for path in sorted(found) if path.is_file())
        return [content.decode("utf-8", "replace") for content in read if len(content) < LARGEST]

    def make(self, chance: random.Random) -> bytes:
        return mutate.as_bytes(chance, mutate.text(chance, self.texts))

    def take(self, made: bytes, chance: random.Random) -> None:
        path = self._file("report.txt", made)
        split = chance.random() < 0.5
        shared = shared_facts(None, chance.choice((None, "2")), (), one_cell=split)
        reports = list(_reports(str(path), split=split))
        run_of_reports("reports", reports, shared, now="2026-11-01T00:00:00+00:00", command=("x",))


# -- stored records --------------------------------------------------------------------------------


class Records(Target):
    """`run.json` and `result.json` of each schema version: read, and written again."""

    name = "records"

    @cached_property
    def originals(self) -> list[tuple[str, Any]]:
        found = sorted([*RECORDS.rglob("run.json"), *RECORDS.rglob("result.json")])
        return [(path.name, json.loads(path.read_bytes())) for path in found]

    def make(self, chance: random.Random) -> bytes:
        name, original = chance.choice(self.originals)
        return name.encode() + b"\n" + mutate.json_bytes(chance, original)

    def take(self, made: bytes, chance: random.Random) -> None:
        name, _, content = made.partition(b"\n")
        path = self._file("record.json", content)
        if name == b"run.json":
            run = read_record(path, RunRecord, RUN_SCHEMA)
            self._file("again.json", run.model_dump_json().encode())
        else:
            launch = read_record(path, LaunchRecord, LAUNCH_SCHEMA)
            self._file("again.json", launch.model_dump_json().encode())


class Runs(Target):
    """Run directories with a damaged record: all that is printed of one."""

    name = "runs"

    @cached_property
    def runs(self) -> list[dict[str, Any]]:
        """Each a run as paths with what is in them."""
        return [
            {
                str(path.relative_to(run)): json.loads(path.read_bytes())
                for path in sorted(run.rglob("*.json"))
                if path.name in {"run.json", RESULT}
            }
            for run in sorted(path.parent for path in RECORDS.rglob("run.json"))
        ]

    def make(self, chance: random.Random) -> bytes:
        number = chance.randrange(len(self.runs))
        name = chance.choice(sorted(self.runs[number]))
        content = mutate.json_bytes(chance, self.runs[number][name])
        return f"{number} {name}\n".encode() + content

    def take(self, made: bytes, chance: random.Random) -> None:
        head, _, damaged = made.partition(b"\n")
        number, _, name = head.decode().partition(" ")
        run = self.directory / number
        for path, original in self.runs[int(number)].items():
            if not (run / path).exists():
                (run / path).parent.mkdir(parents=True, exist_ok=True)
                (run / path).write_text(json.dumps(original))
        try:
            (run / name).write_bytes(damaged)
            self._print(run, chance)
        finally:
            (run / name).write_text(json.dumps(self.runs[int(number)][name]))

    def _print(self, run: Path, chance: random.Random) -> None:
        what = chance.randrange(4)
        if what == 0:
            table_text(self.directory, str(run), format_=chance.choice([*Format]))
        elif what == 1:
            cells = RunDirectory(results=self.directory, path=run).read_run().cells
            for cell in itertools.islice(cells, 1):
                shown(self.directory, str(run), cell.id, lock=False)
        elif what == 2:
            exported(self.directory, str(run), chance.choice([*ExportFormat]), None)
        else:
            compared(self.directory, [str(run)], [str(run)], delta={})


# -- the agent's replies ---------------------------------------------------------------------------


class Replies(Target):
    """What the sidecar's agent answers in a launch: made to its end, and stored."""

    name = "replies"
    allowed = (EngineError,)

    @cached_property
    def cells(self) -> list[Any]:
        return [a_cell(requests=200, concurrency=10)]

    def make(self, chance: random.Random) -> bytes:
        """The number of the answer that is changed, and the seed of its changes."""
        return f"{chance.randint(0, 5)} {chance.getrandbits(64)}".encode()

    def take(self, made: bytes, chance: random.Random) -> None:
        number, _, seed = made.decode().partition(" ")
        changed = Changed(int(number), random.Random(seed))
        launch = Launch(MemoryEngine(changed), a_job(chance.choice(self.cells)), VirtualClock())
        try:
            launch.start()
            launch.load()
            record = launch.collect().record
        finally:
            launch.close()
        path = self._file(RESULT, record.model_dump_json().encode())
        assert read_record(path, LaunchRecord, LAUNCH_SCHEMA) == record


class Changed(SimulatedPods):
    """Answers as they should be, but for one of them, by its number."""

    def __init__(self, number: int, chance: random.Random) -> None:
        super().__init__(serial=chance.random() < 0.2)
        self._left = number
        self._chance = chance

    def __call__(
        self, engine: MemoryEngine, spec: ContainerSpec, command: tuple[str, ...]
    ) -> ExecResult:
        result = super().__call__(engine, spec, command)
        self._left -= 1
        if self._left != -1:
            return result
        answer = mutate.json_bytes(self._chance, json.loads(result.stdout))
        return ExecResult(exit_code=0, stdout=answer.replace(b"\n", b""), stderr=b"")


#: Each with its share of the inputs: those that take long have few.
TARGETS: tuple[tuple[type[Target], int], ...] = (
    (Matrix, 50),
    (Reports, 60),
    (Records, 50),
    (Runs, 10),
    (Replies, 30),
    (Messages, 1),
)
