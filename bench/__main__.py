"""Run benchmarks by name, all of them without one."""

from __future__ import annotations

import argparse
import inspect
import sys
import time

from bench import (
    aa,
    companions,
    coscheduling,
    cost,
    coverage,
    engines4,
    fidelity,
    hosts,
    looks,
    overhead,
    plan,
    publish,
    recording,
    setup,
    startup,
)
from bench.common import Options
from runner.errors import EngineError, MatrixError

MODULES = (
    plan,
    startup,
    recording,
    cost,
    publish,
    overhead,
    setup,
    fidelity,
    companions,
    coscheduling,
    coverage,
    looks,
    aa,
    hosts,
    engines4,
)
#: What runs only where it is named: as root, on a quiet machine.
BY_NAME = {"engines4"}
BENCHMARKS = {module.__name__.removeprefix("bench."): module for module in MODULES}


def _described() -> str:
    """The names with what each measures."""
    first = {name: (inspect.getdoc(m) or "").splitlines()[0] for name, m in BENCHMARKS.items()}
    return "\n".join(f"  {name:<13} {line}" for name, line in first.items())


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{__doc__}\n\nbenchmarks:\n{_described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="a benchmark; all without one")
    made.add_argument("--full", action="store_true", help="coscheduling: the article's load")
    made.add_argument("--cells", type=int, help="cells (plan, cost, publish, setup, coscheduling)")
    made.add_argument("--requests", type=int, help="requests per launch")
    made.add_argument(
        "--launches", type=int, help="launches (overhead, cost, publish, fidelity, looks)"
    )
    made.add_argument("--simulations", type=int, help="coverage: simulated runs a setting")
    made.add_argument("--run", metavar="RUN", help="aa: a run of `control`, or `latest`")
    return made


def main() -> int:
    """Print the figures; 3 where an engine is needed and fails, 2 for what cannot be read."""
    arguments = parser().parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser().error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    options = Options(
        full=arguments.full,
        cells=arguments.cells,
        requests=arguments.requests,
        launches=arguments.launches,
        simulations=arguments.simulations,
        run=arguments.run,
    )
    for name in arguments.names or [name for name in BENCHMARKS if name not in BY_NAME]:
        began = time.monotonic()
        print(f"{name}: {(inspect.getdoc(BENCHMARKS[name]) or '').splitlines()[0]}", flush=True)
        try:
            for line in BENCHMARKS[name].run(options):
                print(line, flush=True)
        except (EngineError, MatrixError) as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code if isinstance(error, MatrixError) else 3
        print(f"  ({time.monotonic() - began:.0f} s)\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
