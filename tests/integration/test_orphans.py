"""A start removes what dead runs of this host left, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import docker
import pytest

from runner.build.prepare import Prepared
from runner.engine import ownership
from runner.engine.docker_engine import DockerEngine
from runner.engine.pod import loadgen_spec

pytestmark = [pytest.mark.engine, pytest.mark.alone]


@pytest.fixture
def dead_owner() -> str:
    """The identity of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ownership.identity(process.pid)
    process.communicate(b"\n")
    return identity


def test_only_orphans_of_this_host_go(
    engine: DockerEngine, client: docker.DockerClient, prepared: Prepared, dead_owner: str
) -> None:
    mine = ownership.owner_labels("run", "cell", "pod")
    labelled = {
        "orphan": mine | {ownership.OWNER_LABEL: dead_owner},
        "mine": mine,
        "elsewhere": mine
        | {ownership.OWNER_LABEL: dead_owner, ownership.HOST_LABEL: "another/host"},
    }
    ids = {}
    foreign = client.containers.create(prepared.loadgen.reference, name="somebody-elses")
    try:
        for name, labels in labelled.items():
            spec = loadgen_spec(prepared.loadgen.reference, f"monkey-matrix-test-{name}", labels)
            ids[name] = engine.create(spec)
        engine.start(ids["orphan"])
        removed = {container.id for container in ownership.sweep(engine)}
        # Of others, too, where a run of this host was killed before.
        assert ids["orphan"] in removed
        assert removed.isdisjoint({ids["mine"], ids["elsewhere"], foreign.id})
        left = {container.id for container in client.containers.list(all=True, ignore_removed=True)}
        assert left >= {ids["mine"], ids["elsewhere"], foreign.id}
        assert ids["orphan"] not in left
    finally:
        foreign.remove(force=True)
        for container in ids.values():
            engine.remove(container)
