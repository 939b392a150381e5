"""What a launch's pod is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.engine.companions import CompanionPlan
from runner.engine.pod import PYTHON_PATH
from runner.errors import EngineError
from runner.matrix.application import Service
from runner.matrix.cell import Limits
from runner.matrix.values import Workload
from runner.measurement.job import OwnStart, memory_of, pod_plan
from tests.support.simulated import a_cell, a_job

OWN = OwnStart(environment={"TOKEN": "secret", "PYTHONPATH": "lib"}, files=(b"content",))
SERVICES = (Service(name="upstream", companion="grpc"), Service(name="web", companion="http"))


def test_an_application_has_copies_of_its_own_and_what_it_is_started_with() -> None:
    plan = pod_plan(replace(a_job(a_cell()), own=OWN))
    assert plan.server_volumes == ("/application", "/home/application", "/files")
    assert plan.server_environment == {"TOKEN": "secret", "PYTHONPATH": f"lib:{PYTHON_PATH}"}
    assert plan.server_files == (b"content",)
    assert plan.host_names, "it may look for localhost"
    without = pod_plan(replace(a_job(a_cell()), own=OwnStart()))
    assert "/files" not in without.server_volumes
    assert "secret" not in repr(replace(a_job(a_cell()), own=OWN))


def test_a_workload_has_none_of_it() -> None:
    plan = pod_plan(a_job(a_cell()))
    assert (plan.server_volumes, plan.server_environment, plan.hosts) == ((), {}, ())
    assert not plan.host_names


def test_services_are_companions_with_the_names_that_the_application_has_for_them() -> None:
    job = replace(a_job(replace(a_cell(), services=SERVICES)), own=OWN)
    images = {"grpc": "g", "http": "h", "postgres": "unused"}
    plan = pod_plan(replace(job, companion_images=images))
    assert [(c.name, c.image, c.hosts) for c in plan.companions] == [
        ("upstream", "g", ("upstream",)),
        ("web", "h", ("web",)),
    ]
    with pytest.raises(EngineError, match="no image of the companion 'http'"):
        pod_plan(replace(job, companion_images={"grpc": "g"}))


def test_services_that_are_no_companions_are_started_as_was_found_out_and_count_as_memory() -> None:
    services = (*SERVICES, Service(name="db", image="postgres:17", memory_bytes=7 << 20))
    job = a_job(replace(a_cell(), services=services))
    images = {"grpc": "g", "http": "h"}
    started = CompanionPlan(name="db", image="p", memory_bytes=7 << 20)
    own = replace(OWN, services={"db": started})
    plan = pod_plan(replace(job, companion_images=images, own=own))
    assert plan.companions[-1] is started
    with pytest.raises(EngineError, match="no image of the service 'db'"):
        pod_plan(replace(job, companion_images=images, own=OWN))
    served = replace(job.cell, workload=Workload(name="application"))
    without = memory_of(replace(served, services=SERVICES), Limits())
    assert memory_of(served, Limits()) - without == 7 << 20


def test_a_workloads_companion_has_no_name() -> None:
    cell = replace(a_cell(), workload=Workload(name="http", parameters=(("seconds", "1"),)))
    plan = pod_plan(replace(a_job(cell), companion_images={"http": "h"}))
    assert [(c.name, c.hosts) for c in plan.companions] == [("http", ())]
    assert plan.hosts == ()
