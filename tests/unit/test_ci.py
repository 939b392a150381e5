"""The workflows: pinned actions, no more permissions than needed, time limits, real targets."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.commands.cells import parse_shard
from runner.matrix.file import load

ROOT = Path(__file__).parents[2]
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github/workflows").glob("*.yml"))
}
JOBS: dict[str, dict[str, Any]] = {
    f"{name}: {job}": content
    for name, workflow in WORKFLOWS.items()
    for job, content in workflow["jobs"].items()
}
EVERY_JOB = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)


def steps(job: dict[str, Any], key: str) -> list[str]:
    return [step[key] for step in job["steps"] if key in step]


@EVERY_JOB
def test_actions_are_official_and_pinned_by_commit(job: dict[str, Any]) -> None:
    pinned = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}")
    assert [action for action in steps(job, "uses") if not pinned.fullmatch(action)] == []


@EVERY_JOB
def test_a_job_has_a_time_limit_and_writes_to_pages_at_most(job: dict[str, Any]) -> None:
    assert 0 < job["timeout-minutes"] <= 120
    access = job.get("permissions", {})
    assert {scope for scope in access if access[scope] == "write"} <= {"pages", "id-token"}


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_may_only_read(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}


@EVERY_JOB
def test_every_target_exists(job: dict[str, Any]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [shlex.split(command) for command in steps(job, "run")]
    targets = [words[words.index("make") + 1] for words in commands if "make" in words]
    assert targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_the_tests_run_on_the_oldest_python_that_is_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = WORKFLOWS["test"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={tested[0]}"


def test_the_default_experiment_of_the_weekly_run_exists() -> None:
    triggers = WORKFLOWS["matrix"][True]  # YAML 1.1 reads `on` as a boolean
    asked = triggers["workflow_dispatch"]["inputs"]["experiment"]["default"]
    assert asked in load(ROOT / "matrix.yaml").sections


def test_every_shard_of_the_list_is_measured() -> None:
    measure = JOBS["matrix: measure"]
    numbers = measure["strategy"]["matrix"]["shard"]
    for number in numbers:
        text = measure["env"]["SHARD"].replace("${{ matrix.shard }}", str(number))
        assert (
            parse_shard(text.replace("${{ strategy.job-total }}", str(len(numbers)))).index
            == number
        )
    assert numbers == [*range(1, len(numbers) + 1)]
