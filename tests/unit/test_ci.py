"""The workflow, and what docs/ci.md tells other CIs, against the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from runner.cli import application
from runner.commands.shard import shard
from runner.matrix.file import load

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/matrix.yml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
COMMANDS = {
    name: {option for parameter in command.params for option in parameter.opts}
    for name, command in typer.main.get_command(application).commands.items()  # type: ignore[attr-defined]
}


def makes(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each `make TARGET NAME=value …`, with its variables."""
    for line in re.findall(r"make ([^`\n]+)", text):
        target, *rest = shlex.split(line)
        if all("=" in word for word in rest):
            yield target, dict(word.split("=", 1) for word in rest)


def command_of(target: str) -> str:
    """The command that a target of the Makefile runs."""
    found = re.search(rf"^{target}:.*\n\t@\$\(MATRIX\) ([a-z-]+)", MAKEFILE, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return found[1]


def options(text: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", text))


RUNS = "\n".join(step["run"] for step in STEPS if "run" in step)


@pytest.mark.parametrize("text", [RUNS, GUIDE], ids=["workflow", "guide"])
def test_every_target_and_option_is_there(text: str) -> None:
    found = [*makes(text)]
    assert {"matrix", "merge"} <= {target for target, _ in found}
    for target, variables in found:
        assert variables.keys() <= {"EXPERIMENT", "ARGS"}
        assert options(variables.get("ARGS", "")) <= COMMANDS[command_of(target)]


def test_every_command_of_the_guide_is_there() -> None:
    found = re.findall(r"^matrix ([a-z-]+)([^#\n]*)", GUIDE, re.MULTILINE)
    assert {command for command, _ in found} == {"plan", "run", "merge"}
    for command, arguments in found:
        assert options(arguments) <= COMMANDS[command]


def test_it_runs_on_a_schedule_and_when_asked() -> None:
    triggers = WORKFLOW[True]  # YAML 1.1 reads `on` as a truth value
    assert triggers.keys() == {"schedule", "workflow_dispatch"}
    assert len(triggers["schedule"][0]["cron"].split()) == 5
    asked = triggers["workflow_dispatch"]["inputs"]["experiment"]["default"]
    assert asked in load(ROOT / "matrix.yaml").names
    assert f"inputs.experiment || '{asked}'" in WORKFLOW["env"]["EXPERIMENT"]


def test_actions_are_official_and_pinned_by_major_version() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_every_shard_of_the_list_is_measured() -> None:
    measure = JOBS["measure"]
    numbers = measure["strategy"]["matrix"]["shard"]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert measure["strategy"]["fail-fast"] is False
    written = measure["env"]["SHARD"]
    for number in numbers:
        text = written.replace("${{ matrix.shard }}", str(number))
        text = text.replace("${{ strategy.job-total }}", str(len(numbers)))
        assert shard(text).index == number


def test_what_the_shards_leave_is_what_is_merged_and_shown() -> None:
    up, down = step_of("upload-artifact"), step_of("download-artifact")
    assert up["with"]["path"] == "results/${{ env.EXPERIMENT }}"
    assert up["with"]["name"].startswith(down["with"]["pattern"].removesuffix("*"))
    merge = f"make merge ARGS=\"$(find {down['with']['path']} -name run.json -printf '%h ')\""
    assert JOBS["publish"]["needs"] == "measure"
    order = [
        step.get("uses", step.get("run", "")).split("@")[0] for step in JOBS["publish"]["steps"]
    ]
    shown = ["actions/download-artifact", merge, "make publish"]
    shown += ["actions/upload-pages-artifact", "actions/deploy-pages"]
    assert [step for step in order if step in shown] == shown


def test_results_are_kept_and_shown_whatever_was_expected() -> None:
    assert step_of("upload-artifact")["if"] == JOBS["publish"]["if"] == "${{ !cancelled() }}"


def test_only_the_job_that_deploys_may_write() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOBS["measure"]
    assert JOBS["publish"]["permissions"] == {
        "contents": "read", "pages": "write", "id-token": "write",
    }  # fmt: skip


def step_of(action: str) -> dict[str, Any]:
    [step] = [s for s in STEPS if s.get("uses", "").startswith(f"actions/{action}@")]
    return dict(step)
