"""`python -m tests.chaos --faults N --seed S --hours H`: bounded, and resumed by its seed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from runner.paths import CACHE
from tests.chaos.own_engine import OwnEngine
from tests.chaos.program import Program
from tests.chaos.soak import Completed, Happened, Soak


def main() -> int:
    """Soak; print what each kind of fault did. Exit 1 if something did not hold."""
    options = _options()
    record: Path = options.record or CACHE / f"chaos-{options.seed}.jsonl"
    if os.geteuid():
        sys.exit("chaos needs root: it starts an engine of its own, and mounts file systems")
    record.parent.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}; every fault is a line of {record}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    interrupted = contextlib.suppress(KeyboardInterrupt)
    with interrupted, tempfile.TemporaryDirectory(prefix="monkey-matrix-chaos-") as directory:
        _soak(Path(directory), record, options)
    lines = _read(record)
    print(summary(lines))
    failed = [line for line in lines if line["problems"]]
    for line in failed:
        print(f"does not hold: {json.dumps(line, ensure_ascii=False)}")
    return int(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="so many, with those of before")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all chance")
    parser.add_argument("--hours", type=float, default=3.0, help="at most")
    parser.add_argument("--record", type=Path, help="JSON lines; goes on where it ends")
    parser.add_argument("--only", default="", help="faults whose name has these words in it")
    return parser.parse_args()


def _soak(directory: Path, record: Path, options: argparse.Namespace) -> None:
    until = time.monotonic() + options.hours * 3600
    before = _read(record)
    faults = [line for line in before if "fault" in line]
    engine = OwnEngine(directory, record.with_suffix(".engine.log"))
    with contextlib.closing(engine), record.open("a", encoding="utf-8") as file:

        def note(line: Happened | Completed) -> None:
            file.write(f"{json.dumps(asdict(line), ensure_ascii=False)}\n")
            file.flush()
            print(_short(line), flush=True)

        engine.start()
        program = Program(directory, engine)
        evidence = record.with_suffix(".failed")
        soak = Soak(
            directory,
            engine,
            program,
            note,
            seed=options.seed,
            number=len(faults),
            evidence=evidence,
        )
        if not program.has_clock:
            print(
                "the clock stays as it is: there is no C compiler (`apt-get install gcc libc6-dev`)"
            )
        soak.faults = [fault for fault in soak.faults if options.only in fault.name]
        soak.host_faults = [fault for fault in soak.host_faults if options.only in fault.name]
        if not soak.faults + soak.host_faults:
            sys.exit(f"no fault has {options.only!r} in its name")

        def wanted() -> bool:
            return bool(soak.number < options.faults) and time.monotonic() < until

        soak.prepare()
        episode = max((line["episode"] for line in before), default=0)
        start = max((line["start"] for line in faults), default=0) + 1
        while wanted():
            episode += 1
            start = soak.episode(episode, start, wanted)


def _short(line: Happened | Completed) -> str:
    """What happened, for who watches."""
    holds = "; ".join(line.problems) or "all holds"
    if isinstance(line, Completed):
        return (
            f"episode {line.episode}: {line.launches} launches, {len(line.marked)} marked: {holds}"
        )
    made = line.finished[1] - line.finished[0]
    return f"{line.number:4} {line.what}: exit {line.exit}, {made} made: {holds}"


def _read(record: Path) -> list[dict[str, Any]]:
    if not record.exists():
        return []
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


def summary(lines: Iterable[Mapping[str, Any]]) -> str:
    """A row per kind of fault: how many there were, how the runs ended, what did not hold."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        kinds.setdefault(line.get("fault", "an episode to its end"), []).append(line)
    rows = [
        {
            "what happened": kind,
            "times": len(found),
            "the run's exit": _counts(line.get("exit", 0) for line in found),
            "launches marked": sum(len(line["marked"]) for line in found),
            "did not hold": sum(bool(line["problems"]) for line in found),
        }
        for kind, found in sorted(kinds.items())
    ]
    return tabulate(rows, headers="keys", tablefmt="github")


def _counts(exits: Iterable[int | None]) -> str:
    counted = Counter("hung" if code is None else str(code) for code in exits)
    return ", ".join(f"{code}: {times} ×" for code, times in sorted(counted.items()))


if __name__ == "__main__":
    sys.exit(main())
