"""`matrix try`: find → draft → build → look → measure → tell."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from runner.application.application_lock import ApplicationLock
from runner.application.facts import facts_of, requirements_of
from runner.application.resolve import resolve_application
from runner.build.lock import platform_of
from runner.commands.cells import PYTHONS, Choice
from runner.commands.own import Own, read_own
from runner.commands.run import Ready, RunOptions, finish, make_ready, measure_all, open_directory
from runner.commands.trial.draft import GRPCIO, NAME, WITH_GRPC, Draft
from runner.commands.trial.given import Given, completed
from runner.commands.trial.look import ROOT, Probed, probe, served_by
from runner.commands.trial.told import shown
from runner.commands.trial.write import refuse_existing, write
from runner.commands.underway import Underway
from runner.errors import SpecError
from runner.matrix.cell import Cell, Experiment
from runner.options import MATRIX_FILE
from runner.outcome import Kind
from runner.progress import Reporter
from runner.store.run_directory import check_results, only_run
from runner.text import listed

#: Seconds that all loads together may take, and of the time of one that is planned to be used.
LOADS_S, PLANNED = 120.0, 0.5
#: The longest load in seconds that is planned, and the least and most requests of one.
LONGEST_S, FEWEST, MOST = 4.0, 20, 2000
CONCURRENCY: Final = 20
#: What a request costs besides what it computes, in seconds of CPU: server, client, kernel.
AROUND_S: Final = 5e-4
#: How long patched cells may take to start, in seconds, and times what the unpatched one took until
#: it had answered.
STARTUP_S, STARTUP_TIMES = 10.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What is printed in the end, and whether any cell served."""

    text: str
    served: bool


def try_application(
    given: Given, options: RunOptions, reporter: Reporter, *, write_file: bool = False
) -> Tried:
    """A first look at an application: one short launch of every cell.

    With `write_file` the experiment becomes one of the matrix file, where any cell served.

    Raises `MatrixError` for what is wrong on the command line or in the application's files.
    """
    if write_file:
        refuse_existing(given.directory)
    check_results(options.results)
    whole = completed(given)
    with only_run(options.results):
        draft, ready, built_s = made(Draft(given=whole, path=whole.path or ROOT), options, reporter)
        with contextlib.closing(ready.engine):
            cell = served_by([*ready.prepared.cells])
            probed = probe(ready, cell, whole.path) if cell else Probed()
            draft, ready = sized(draft, ready, probed)
            underway = open_directory(ready, options.results)
            if cell and probed.failed and probed.failed.record.outcome.kind is not Kind.HANG:
                _keep(underway, probed)
            elif ready.prepared.cells:
                measure_all(ready, underway, {}, reporter)
    text, served = shown(finish(underway), draft, probed.look, built_s)
    return Tried(text=f"{text}\n\n{_written(draft, write_file, served)}".rstrip(), served=served)


def _written(draft: Draft, write_file: bool, served: bool) -> str:
    """What became of the matrix file, and what to do next."""
    if not served:
        return "nothing was written, as no cell served" if write_file else ""
    if not write_file:
        return f"next: the same with `--write`, then `matrix run {NAME}`, which measures in rounds"
    wrote = write(draft.given.directory, draft.proper.text)
    unset = [name for name in draft.given.variables if name not in os.environ]
    first = f"set {listed(unset)} in the environment, then " if unset else ""
    return f"{wrote}\nnext: {first}`matrix run {NAME}`, which measures in rounds"


@contextlib.contextmanager
def _blaming(draft: Draft) -> Iterator[None]:
    """Errors about the file that nobody wrote name the option instead."""
    try:
        yield
    except SpecError as error:
        raise draft.blamed(error) from None


def made(draft: Draft, options: RunOptions, reporter: Reporter) -> tuple[Draft, Ready, float]:
    """The draft with what is installed, all that measuring needs, and how many seconds it took.

    What is built may depend on grpcio without anybody having known: that is one patch mode more.
    """
    begun = time.monotonic()
    with _blaming(draft):
        experiment, own = _read(draft, options)
        draft = replace(
            draft, brings=_brings(own), installs=_installs(experiment, own), source=own.source
        )
        experiment, own = _read(draft, options)
        for text in draft.given.found:
            reporter.say(f"found {text}")
        for remark in experiment.remarks:
            reporter.say(remark.replace("name it in `axes`", "`--python` names another"))
        ready = _ready(draft, experiment, own, options, reporter)
        names = {name for lock in ready.locked.locks.values() for name in lock.versions}
        if GRPCIO in names and WITH_GRPC not in draft.patches:
            ready.engine.close()
            draft = replace(draft, installs=draft.installs | names)
            experiment, own = _read(draft, options)
            ready = _ready(draft, experiment, own, options, reporter)
    return draft, ready, time.monotonic() - begun


def _ready(
    draft: Draft, experiment: Experiment, own: Own, options: RunOptions, reporter: Reporter
) -> Ready:
    choice = Choice(file=draft.given.directory / MATRIX_FILE, experiment=NAME)
    return make_ready(experiment, choice, options, reporter, own)


def _read(draft: Draft, options: RunOptions) -> tuple[Experiment, Own]:
    experiment = draft.file().experiment(NAME, partial(facts_of, pythons=PYTHONS))
    own = read_own(experiment, results=options.results, host=draft.given.host)
    assert own  # noqa: S101 - the draft has an application
    return experiment, own


def _brings(own: Own) -> frozenset[str]:
    """The distributions that the application names."""
    found = requirements_of(own.application)
    names = {pin.name for pin in found.pins if pin.required}
    return frozenset(names | {source.name for source in found.sources if source.name})


def _installs(experiment: Experiment, own: Own) -> frozenset[str]:
    """What is installed for it, as far as that is known without building anything."""
    cell = served_by(experiment.cells)
    if cell is None:
        return frozenset()
    target = platform_of(platform.machine())
    lock = resolve_application(own.requirements, cell.environment, target)
    if not isinstance(lock, ApplicationLock):
        return frozenset()
    return frozenset({*lock.lock.versions, *(sdist.name for sdist in lock.sdists)})


# -- the load --------------------------------------------------------------------------------------


def sized(draft: Draft, ready: Ready, probed: Probed) -> tuple[Draft, Ready]:
    """The same with the chosen request, a load that fits, and a limit for starting up.

    What fails is not launched again.
    """
    number = max(1, len(ready.prepared.cells))
    chosen = probed.look.chosen if probed.look else None
    path = chosen.path if chosen else draft.path
    requests = requests_in(LOADS_S / number, probed)
    draft = replace(draft, path=path, concurrency=CONCURRENCY, requests=requests)

    def loaded(cell: Cell) -> Cell:
        return replace(cell, concurrency=CONCURRENCY, requests=requests)

    startup_s = max(STARTUP_S, math.ceil(STARTUP_TIMES * probed.loaded_s))
    limits = replace(ready.experiment.limits, load_s=LOADS_S / number, startup_s=startup_s)
    experiment, locked, prepared = ready.experiment, ready.locked, ready.prepared
    request = replace(ready.own.request, path=path) if ready.own else None
    return draft, replace(
        ready,
        failure_launches=1,
        experiment=replace(
            experiment,
            cells=tuple(map(loaded, experiment.cells)),
            limits=limits,
            request=request,
        ),
        locked=replace(
            locked,
            cells=tuple(map(loaded, locked.cells)),
            unavailable={loaded(cell): why for cell, why in locked.unavailable.items()},
            full_loads={},
        ),
        prepared=replace(
            prepared,
            cells={loaded(cell): image for cell, image in prepared.cells.items()},
            unavailable={loaded(cell): why for cell, why in prepared.unavailable.items()},
            failed={loaded(cell): why for cell, why in prepared.failed.items()},
        ),
        own=replace(ready.own, request=request) if ready.own and request else ready.own,
    )


def requests_in(seconds: float, probed: Probed) -> int:
    """How many requests a load of at most so many seconds has, by how long a lone one takes."""
    chosen = probed.look.chosen if probed.look else None
    lone_s = probed.lone_s or (chosen.lone_s if chosen else None) or 0.1
    computed_s = (chosen.computed_s if chosen else None) or 0.0
    rate = min(CONCURRENCY / lone_s, 1 / (computed_s + AROUND_S))
    requests = rate * min(LONGEST_S, PLANNED * seconds)
    return max(FEWEST, min(MOST, int(float(f"{requests:.2g}"))))


def _keep(underway: Underway, probed: Probed) -> None:
    """Store the launch that failed: what it left is what there is to look at."""
    assert probed.failed  # noqa: S101 - asked by the caller
    directory = underway.directory.hiding(probed.failed.secrets)
    underway.launches.append(directory.write_launch(probed.failed.record, probed.failed.files))
