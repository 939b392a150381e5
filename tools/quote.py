"""Keep what documents quote of published runs in step with them: `python -m tools.quote`.

A document names what it quotes in a comment, and a test fails when the two differ:

    <!-- quote: matrix table results/published/sleep --pivot patch -->
    <!-- quote: lines 1-12 of results/published/milvus/cells/…/launch-01/stacks.txt -->
    <!-- quote: placements -->

up to the next `<!-- /quote -->`. The last is the table of the combinations of server and placement.
Of a published table the notes are left out; what was measured, when and on what is said below it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from runner.cli import application
from runner.matrix import placements
from runner.report.run import Run, read_run
from runner.store.run_directory import open_run

ROOT = Path(__file__).resolve().parents[1]
QUOTE = re.compile(r"(<!-- quote: (?P<what>.+?) -->\n).*?(<!-- /quote -->)", re.DOTALL)
LINES = re.compile(r"lines (?P<first>\d+)-(?P<last>\d+) of (?P<path>\S+)")


def documents() -> list[Path]:
    """The Markdown files that are written by hand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def renewed(text: str) -> str:
    """A document with all that it quotes as it is now."""
    return QUOTE.sub(lambda m: f"{m[1]}{_content(m['what'])}\n{m[3]}", text)


def _content(what: str) -> str:
    if what == "placements":
        return placements.table()
    if match := LINES.fullmatch(what):
        lines = (ROOT / match["path"]).read_text(encoding="utf-8").splitlines()
        chosen = lines[int(match["first"]) - 1 : int(match["last"])]
        return "\n".join(["```text", *chosen, "```"])
    return _table(shlex.split(what))


def _table(command: list[str]) -> str:
    program, verb, path, *options = command
    if (program, verb) != ("matrix", "table"):
        raise ValueError(f"a document can quote `matrix table`, not {' '.join(command)}")
    arguments = [verb, str(ROOT / path), *options, "--format", "github"]
    result = CliRunner().invoke(application, arguments, catch_exceptions=False)
    table = result.stdout.partition("\n\n")[0]
    run = read_run(open_run(ROOT / "results", str(ROOT / path)))
    return f"{table}\n\n*`{shlex.join(command)}`: {_origin(run)}.*"


def _origin(found: Run) -> str:
    """What was measured, when, how often, and on what."""
    run = found.record
    launches = "one launch" if found.rounds == 1 else f"{found.rounds} launches"
    facts = [f"`{' '.join(run.command)}` on {run.started_at[:10]}, {launches} a cell"]
    if run.host:
        facts.append(f"{run.host.cpus} CPUs ({run.host.cpu_model}), {run.host.os}")
    if run.engine:
        facts.append(f"engine {run.engine.version}")
    if run.method.ab_version:
        facts.append(f"ab {run.method.ab_version}")
    return "; ".join(facts)


def main() -> None:
    """Renew every document."""
    for path in documents():
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
