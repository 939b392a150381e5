"""`python -m tests.fuzz --inputs N --hours H --seed S`; `--only TARGET/NUMBER` makes one again."""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from tests.fuzz.loop import Tally, one, order, targets
from tests.fuzz.target import Target

SAID_EVERY = 50_000


def main() -> int:
    """Fuzz; print figures, and what was found. Exit 1 if anything was."""
    options = _options()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="monkey-matrix-fuzz-") as directory:
        tallies = _fuzz(Path(directory), options)
    print(figures(tallies))
    found = [finding for tally in tallies.values() for finding in tally.findings.values()]
    for finding in found:
        print(f"\n{finding.target}/{finding.number}: {finding.what} in {finding.where}")
        print(finding.trace)
    return int(bool(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="at most")
    parser.add_argument("--hours", type=float, default=1.0, help="at most")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all chance")
    parser.add_argument("--only", metavar="TARGET[/NUMBER]", default="", help="this alone")
    return parser.parse_args()


def _fuzz(directory: Path, options: argparse.Namespace) -> dict[str, Tally]:
    name, _, number = options.only.partition("/")
    chosen = [(t, share) for t, share in targets(directory) if name in {"", t.name}]
    tallies = {target.name: Tally() for target, _ in chosen}
    if number:
        one(chosen[0][0], options.seed, int(number), tallies[name])
        return tallies
    until = time.monotonic() + 3600 * options.hours
    in_order = order(chosen)
    with contextlib.suppress(KeyboardInterrupt):
        _loop(in_order, tallies, until, options)
    return tallies


def _loop(
    in_order: Sequence[Target],
    tallies: Mapping[str, Tally],
    until: float,
    options: argparse.Namespace,
) -> None:
    for count in range(options.inputs):
        target = in_order[count % len(in_order)]
        one(target, options.seed, count, tallies[target.name])
        if count and not count % SAID_EVERY:
            print(f"{count} inputs, {sum(t.faults for t in tallies.values())} faults", flush=True)
        if time.monotonic() > until:
            break


def figures(tallies: Mapping[str, Tally]) -> str:
    """A row per target."""
    rows = [
        {
            "target": name,
            "inputs": f"{tally.inputs:,}",
            "accepted": f"{tally.accepted:,}",
            "refused": f"{tally.inputs - tally.accepted - tally.faults:,}",
            "faults": tally.faults,
            "longest, CPU s": f"{tally.slowest_s:.2f}",
        }
        for name, tally in tallies.items()
    ]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
