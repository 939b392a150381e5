"""Set-up of all environments, cold and warm, against a plain loop of `docker build` with pip.

Cold is lock, install and images of every cell of `sleep` with an empty cache of this project, none
of its environment and cell images, and base images there; once with uv's own cache empty as well
(wheels come from the index) and once with it filled, which is what the loop has too. The loop
builds, for each environment, `COPY` of its locked wheels from a wheelhouse made beforehand and `RUN
pip install --no-index --require-hashes`, on the same bases with pip added; bases and wheelhouse are
not in its time, and it builds no cell images. Warm is the whole process of `matrix run`, from its
start to the first launch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from bench.measured import PROJECT_MATRIX, spread
from bench.options import REPOSITORY, Options, figure
from runner.build.base import PYTHON_PACKAGES, SUITES, ensure_suite
from runner.build.build import SERVER_PROGRAM
from runner.build.labels import KIND_LABEL
from runner.build.lock import Lock
from runner.build.prepare import prepare
from runner.commands.choice import Choice, expand
from runner.commands.locking import LockedCells, lock
from runner.engine.connection import CALL_TIMEOUT_S
from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineError
from runner.matrix.cell import Base, Experiment
from runner.stages import Stages

EXPERIMENT = "sleep"
GOAL_RATIO, GOAL_WARM_S = 10.0, 2.0
#: What the wheels of a lock may be called on the platform it was made for.
WHEEL_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014",
                   "manylinux2010", "manylinux1", "linux")  # fmt: skip
LOOP_DOCKERFILE = """\
FROM {base}
COPY wheels /wheels
COPY requirements.txt /requirements.txt
RUN python3 -m pip install --quiet --no-index --find-links /wheels --require-hashes \\
    --target /site -r /requirements.txt
COPY server /server
ENV PYTHONPATH=/site
CMD ["python3", "/server/main.py"]
"""


class CountingEngine(DockerEngine):
    """An engine that counts its builds."""

    builds = 0

    def build(self, context: Path, reference: str, labels: Mapping[str, str]) -> str:
        """See `Engine`."""
        self.builds += 1
        return super().build(context, reference, labels)


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """One set-up: seconds and engine builds."""

    locked: LockedCells
    seconds: float
    builds: int


def run(options: Options) -> Iterator[str]:
    """Cold, warm, the loop, and the ratio."""
    experiment = expand(Choice(file=PROJECT_MATRIX, experiment=EXPERIMENT))
    experiment = replace(experiment, cells=spread(experiment.cells, options.cells or 10**6))
    counting = CountingEngine(docker.from_env(timeout=CALL_TIMEOUT_S))
    with closing(counting), tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        set_up(counting, experiment, directory / "bases")  # base images, and uv's cache filled
        filled, empty = os.environ.get("UV_CACHE_DIR"), directory / "uv"
        remove_built(counting)
        with uv_cache(empty):
            coldest = set_up(counting, experiment, directory / "coldest")
        remove_built(counting)
        with uv_cache(Path(filled) if filled else None):
            cold = set_up(counting, experiment, directory / "cold")
        environments = len(cold.locked.locks)
        what = f"set-up of {environments} environments, {len(cold.locked.cells)} cells"
        yield figure(f"{what}: cold, index asked", f"{coldest.seconds:.1f} s")
        yield figure(f"{what}: cold, wheels at hand", f"{cold.seconds:.1f} s")
        yield from warm(counting, experiment, directory)
        loop = plain_loop(counting, cold.locked, directory)
        yield figure(f"plain loop of {environments} docker builds with pip", f"{loop:.1f} s")
        ratio = loop / cold.seconds
        yield figure(
            "loop over cold, wheels at hand", f"{ratio:.1f}×", "≥ 10×", met=ratio >= GOAL_RATIO
        )
        yield figure("loop over cold, index asked", f"{loop / coldest.seconds:.1f}×")


def set_up(engine: CountingEngine, experiment: Experiment, directory: Path) -> SetUp:
    """Lock, install and build in a cache of its own below `directory`."""
    directory.mkdir(exist_ok=True)
    before, began = engine.builds, time.monotonic()
    cache = directory / ".cache"
    locked = lock(experiment, architecture=engine.info().architecture, cache=cache)
    prepare(
        engine,
        locked.cells,
        locked.locks,
        experiment=experiment.name,
        base=experiment.base,
        cache=cache,
        stages=Stages(_quiet),
    )
    return SetUp(locked=locked, seconds=time.monotonic() - began, builds=engine.builds - before)


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


def remove_built(engine: DockerEngine) -> None:
    """Remove this project's environment and cell images; bases and sidecar stay.

    Cells first: an image goes with its layers only when nothing is built on it.
    """
    kinds = {
        name: engine.image_labels(image).get(KIND_LABEL)
        for image, names in engine.images()
        for name in names or (image,)
    }
    for kind in ("cell", "environment"):
        for name in [name for name, found in kinds.items() if found == kind]:
            with contextlib.suppress(EngineError):  # in use by a container: it is not ours to stop
                engine.remove_image(name)


def warm(engine: CountingEngine, experiment: Experiment, directory: Path) -> Iterator[str]:
    """Builds of a second set-up, and seconds from `matrix run`'s start to its first launch."""
    again = set_up(engine, experiment, directory / "cold")
    yield figure("warm: engine builds", str(again.builds), "0", met=again.builds == 0)
    yield figure("warm: lock, install, images", f"{again.seconds:.2f} s")
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
        command, cwd=directory / "cold", env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        said = process.stderr or ()
        seconds = next((time.monotonic() - began for line in said if line.startswith("[1/")), None)
        process.terminate()
        process.communicate()
    if seconds is None:
        raise EngineError("`matrix run` never came to its first launch")
    return seconds


# -- the plain loop --------------------------------------------------------------------------------


def plain_loop(engine: DockerEngine, locked: LockedCells, directory: Path) -> float:
    """Seconds of building every environment with pip, one after the other."""
    locks = list(locked.locks.values())
    bases = {python: pip_base(engine, python) for python in {x.request.python for x in locks}}
    contexts = [loop_context(lock_, bases[lock_.request.python], directory) for lock_ in locks]
    names = [f"monkey-matrix/bench:{context.name}" for context in contexts]
    began = time.monotonic()
    try:
        for context, name in zip(contexts, names, strict=True):
            engine.build(context, name, {})
        return time.monotonic() - began
    finally:
        for name in names:
            engine.remove_image(name)


def pip_base(engine: DockerEngine, python: str) -> str:
    """A base image of the same suite that also has pip."""
    if python not in SUITES:
        raise EngineError(f"no Debian suite carries Python {python}; the loop needs one with pip")
    reference = f"monkey-matrix/bench-base:{SUITES[python]}"
    ensure_suite(engine, reference, SUITES[python], (*PYTHON_PACKAGES, "python3-pip"), Base())
    return reference


def loop_context(locked: Lock, base: str, directory: Path) -> Path:
    """A build context with the lock's wheels, downloaded here."""
    context = directory / "loop" / locked.key
    context.mkdir(parents=True)
    (context / "Dockerfile").write_text(LOOP_DOCKERFILE.format(base=base), encoding="utf-8")
    (context / "requirements.txt").write_text(locked.text, encoding="utf-8")
    shutil.copytree(SERVER_PROGRAM, context / "server")
    machine = locked.platform.partition("-")[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--python-version", locked.request.python]
    for tag in WHEEL_PLATFORMS:
        command += ["--platform", f"{tag}_{machine}"]
    command += ["--dest", str(context / "wheels"), "-r", str(context / "requirements.txt")]
    subprocess.run(command, check=True, capture_output=True)
    return context
