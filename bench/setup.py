"""Set-up of all environments, cold and warm; images loaded, and the same built one by one.

Cold is lock, packages and images of every cell of `sleep` with an empty cache of this project, none
of its environment and cell images, and base images there; once with uv's own cache empty as well
(wheels come from the index), then with it filled. With wheels at hand it is done both ways in turn:
images loaded as one archive for each base, and built by the engine from the same Dockerfiles, as
where an engine does not load. Warm is the whole process of `matrix run`, from its start to its
first launch.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from bench.common import PROJECT_MATRIX, REPOSITORY, Options, figure, spread
from runner.build.prepare import Prepared, prepare
from runner.commands.cells import Choice, LockedCells, expand, lock, locker
from runner.engine.connection import CALL_TIMEOUT_S
from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineError
from runner.matrix.cell import Experiment
from runner.stages import Stages

EXPERIMENT = "sleep"
#: Of the cells' names, so that images of a run with the same cells are left alone.
NAME = "bench-setup"
GOAL_RATIO, GOAL_WARM_S = 3.0, 2.0
TURNS = 2


class CountingEngine(DockerEngine):
    """An engine that counts its builds and its archives, and may refuse to load one."""

    builds = loads = 0
    refuses = False

    def build(
        self,
        context: Iterator[bytes],
        reference: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        *,
        offline: bool = False,
    ) -> str:
        self.builds += 1
        return super().build(context, reference, labels, arguments, offline=offline)

    def load(self, archive: Iterator[bytes]) -> None:
        if self.refuses:
            raise EngineError("it is to build")
        self.loads += 1
        super().load(archive)

    @property
    def made(self) -> int:
        """Builds and archives so far."""
        return self.builds + self.loads


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """One set-up: seconds, and how often the engine built or loaded."""

    locked: LockedCells
    prepared: Prepared
    seconds: float
    made: int


def run(options: Options) -> Iterator[str]:
    """Cold in three ways, the ratio, and warm."""
    experiment = expand(Choice(file=PROJECT_MATRIX, experiment=EXPERIMENT), print)
    experiment = replace(experiment, cells=spread(experiment.cells, options.cells or 10**6))
    engine = CountingEngine(docker.from_env(timeout=CALL_TIMEOUT_S))
    with closing(engine), tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # Base images, and uv's cache filled.
        remove_built(engine, set_up(engine, experiment, directory / "bases"))
        with uv_cache(directory / "uv"):
            coldest = set_up(engine, experiment, directory / "coldest")
        remove_built(engine, coldest)
        what = f"{len(coldest.locked.locks)} environments, {len(coldest.locked.cells)} cells"
        yield figure(f"set-up of {what}: cold, from the index", f"{coldest.seconds:.1f} s")
        loaded, built = in_turn(engine, experiment, directory)
        yield figure(f"set-up of {what}: cold, wheels at hand", f"{loaded:.1f} s")
        yield figure("the same, images built one by one", f"{built:.1f} s")
        ratio = built / loaded
        goal = f"≥ {GOAL_RATIO:g}×"
        yield figure("built over loaded", f"{ratio:.1f}×", goal, met=ratio >= GOAL_RATIO)
        yield from warm(engine, experiment, directory)


def in_turn(engine: CountingEngine, experiment: Experiment, directory: Path) -> tuple[float, float]:
    """Seconds of a set-up with images loaded, and with images built; of each the best."""
    seconds: list[float] = []
    for turn in range(2 * TURNS):
        engine.refuses = turn % 2 == 1
        found = set_up(engine, experiment, directory / f"turn-{turn}")
        remove_built(engine, found)
        seconds.append(found.seconds)
    engine.refuses = False
    return min(seconds[::2]), min(seconds[1::2])


def set_up(engine: CountingEngine, experiment: Experiment, cache: Path) -> SetUp:
    """Lock, unpack and make images, with a cache of its own."""
    before, began = engine.made, time.monotonic()
    locked = lock(experiment, locker(cache), architecture=engine.info().architecture)
    prepared = prepare(
        engine,
        locked.cells,
        locked.locks,
        experiment=NAME,
        base=experiment.base,
        cache=cache,
        stages=Stages(_quiet),
    )
    seconds = time.monotonic() - began
    return SetUp(locked=locked, prepared=prepared, seconds=seconds, made=engine.made - before)


def _quiet(_text: str) -> None:
    """Standard output is for the figures."""


@contextlib.contextmanager
def uv_cache(directory: Path | None) -> Iterator[None]:
    """Let uv keep its wheels elsewhere, None for where it always does."""
    before = os.environ.pop("UV_CACHE_DIR", None)
    if directory:
        os.environ["UV_CACHE_DIR"] = str(directory)
    try:
        yield
    finally:
        os.environ.pop("UV_CACHE_DIR", None)
        if before is not None:
            os.environ["UV_CACHE_DIR"] = before


def remove_built(engine: DockerEngine, made: SetUp) -> None:
    """Remove the environments' and cells' images of a set-up; bases and sidecar stay.

    Cells first: an image goes with its layers only when nothing is built on it.
    """
    for images in (made.prepared.cells, made.prepared.environments):
        for image in images.values():
            with contextlib.suppress(EngineError):  # in use by a container: it is not ours to stop
                engine.remove_image(image.reference)


def warm(engine: CountingEngine, experiment: Experiment, directory: Path) -> Iterator[str]:
    """What a second set-up makes, and seconds from `matrix run`'s start to its first launch."""
    set_up(engine, experiment, directory / "warm")
    again = set_up(engine, experiment, directory / "warm")
    yield figure("warm: images built or loaded", str(again.made), "0", met=again.made == 0)
    yield figure("warm: lock, packages, images", f"{again.seconds:.2f} s")
    remove_built(engine, again)
    seconds = min(to_first_launch(directory, number) for number in range(3))
    yield figure(
        "warm: `matrix run` to its first launch, best of 3",
        f"{seconds:.2f} s",
        "≤ 2 s",
        met=seconds <= GOAL_WARM_S,
    )


def to_first_launch(directory: Path, number: int) -> float:
    """Seconds from the start of a `matrix run` to its first launch, upon which it is ended."""
    command = [sys.executable, "-m", "runner", "run", EXPERIMENT, "--file", str(PROJECT_MATRIX)]
    command += ["--jobs", "1", "--results", str(directory / f"results-{number}")]
    began = time.monotonic()
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        lines = process.stderr or ()
        seconds = next((time.monotonic() - began for line in lines if line.startswith("[1/")), None)
        process.terminate()
        process.communicate()
    if seconds is None:
        raise EngineError("`matrix run` never came to its first launch")
    return seconds
