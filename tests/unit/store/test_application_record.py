"""What is recorded of an application: all that decides what is run, and nothing that is secret."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner.application.application_lock import ApplicationLock, Moved
from runner.application.env_file import Variables
from runner.application.pins import Sdist
from runner.application.services import own_services
from runner.build.service_images import ServiceImage
from runner.engine.companions import CompanionPlan
from runner.matrix.application import Request, Response
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import Lock
from runner.store.application_record import (
    ApplicationRecord,
    application_record,
    installed,
    ways_to_differ,
    without_credentials,
)
from runner.store.records import EnvironmentRecord, RunRecord
from runner.store.reuse import key, reusable
from runner.store.run_directory import RunDirectory
from runner.store.service_record import ServiceRecord
from tests.support.own import GEVENT, SECRET, SLASHES, in_any_form, own_run, recorded
from tests.support.samples import cell_with_workload, launch, run_record
from tests.unit.application.applications import application

OLD, NOW = "20261101T120000Z", "20261103T120000Z"


def test_what_is_recorded(tmp_path: Path) -> None:
    record, _ = recorded(tmp_path)
    content = json.loads(record.model_dump_json())
    assert len(content["source"].pop("digest")) == 64
    assert content["source"] == {"rule": "all files", "files": 2, "bytes": 31}
    assert len(content.pop("secret_digest")) == 64
    assert len(content["request"].pop("body_digest")) == 64
    assert content["request"] == {
        "method": "POST",
        "path": "/orders",
        "headers": ["Accept", "Authorization", "Cookie", "X-Token"],
        "content_type": "application/json",
        "body_bytes": 10,
    }
    assert content["response"] == {"statuses": [200, 201], "check": "contains", "text": "ok"}
    assert content["secret_names"] == [
        "variable API_TOKEN",
        "variable DATABASE_URL",
        "variable KIND",
        "variable SECRET_KEY",
        "variable WORKER",
        "header Accept",
        "header Authorization",
        "header Cookie",
        "header X-Token",
        "file /etc/shop.yml",
    ]
    assert content["environment"] == {"MODE": "load"}
    assert record.services == {"upstream": ServiceRecord(companion="grpc")}
    assert content["requirements"] == ["requirements.txt", "flask==3.1.2"]
    assert (content["app"], content["args"]) == (
        "shop.wsgi:create_app('load')",
        ["--max-requests", "0"],
    )


def test_no_secret_is_recorded(tmp_path: Path) -> None:
    record, _ = recorded(tmp_path)
    content = record.model_dump_json().encode()
    words = {name: value for name, value in SECRET.items() if name not in {"a_name", "a_key"}}
    assert [n for n, v in words.items() if any(form in content for form in in_any_form(v))] == []


@pytest.mark.parametrize("name", [name for name in SECRET if name not in {"a_name", "a_key"}])
def test_each_secret_is_masked(tmp_path: Path, name: str) -> None:
    _, secrets = recorded(tmp_path)
    assert secrets.mask(f"saw {SECRET[name]}.") == "saw ***."


def test_a_digest_by_another_key_is_another(tmp_path: Path) -> None:
    one, other = (recorded(tmp_path / name)[0] for name in ("a", "b"))
    assert one.secret_digest != other.secret_digest
    assert one.source == other.source


@pytest.mark.parametrize(
    ("written", "recorded_as"),
    [
        (f"git+https:{SLASHES}me:token@host/x.git@main", f"git+https:{SLASHES}host/x.git@main"),
        (f"x @ git+ssh:{SLASHES}git@host/x.git", f"x @ git+ssh:{SLASHES}host/x.git"),
        ("requirements.txt", "requirements.txt"),
        (f"https:{SLASHES}host/x-1.0.tar.gz", f"https:{SLASHES}host/x-1.0.tar.gz"),
    ],
)
def test_a_requirement_has_no_password(written: str, recorded_as: str) -> None:
    assert without_credentials(written) == recorded_as


# -- a launch counts again only if all of it is equal ----------------------------------------------

#: What of the matrix file, or of a file beside it, is another than before.
CHANGES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "address": ({"'load'": "'other'"}, {}),
    "source": ({}, {"src/shop.py": "application = 1\n"}),
    "requirements": ({'"flask==3.1.2"': '"flask==3.1.3"'}, {}),
    "debian": ({"libmagic1": "libmagic-dev"}, {}),
    "prepare": ({"make version-file": "make"}, {}),
    "before": ({"flask db upgrade": "flask db stamp"}, {}),
    "command": ({"args:": "command: ddtrace-run\n      args:"}, {}),
    "args": ({"--max-requests 0": "--max-requests 1"}, {}),
    "environment": ({"MODE: load": "MODE: test"}, {}),
    "service": ({"upstream:": "other:"}, {}),
    "method": ({"method: POST": "method: PUT"}, {}),
    "path": ({"path: /orders": "path: /order"}, {}),
    "header": ({"Accept: text/html": "Accept: text/plain"}, {}),
    "header's command": ({SECRET["command"]: "get-token --other"}, {}),
    "body": ({"sku: 1": "sku: 2"}, {}),
    "status": ({"[200, 201]": "[200]"}, {}),
    "check": ({"contains: ok": "matches: ok"}, {}),
    "env_file": ({}, {".env": "SECRET_KEY=another-one\n"}),
    "file": ({}, {"shop.yml": "debug: yes\n"}),
}


def stored(directory: Path, run: RunRecord) -> None:
    of_run = RunDirectory(results=directory, path=directory / run.experiment / run.run_id)
    of_run.path.mkdir(parents=True)
    of_run.write_run(run)
    of_run.write_launch(launch(GEVENT), {})


def again(directory: Path, record: ApplicationRecord) -> bool:
    run = own_run(record).model_copy(update={"run_id": NOW})
    return bool(reusable(run, directory))


def booted(run: RunRecord) -> RunRecord:
    assert run.host
    return run.model_copy(update={"host": run.host.model_copy(update={"boot_id": "boot"})})


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of a run of the application; this boot of the machine is always the same."""
    monkeypatch.setattr("tests.support.own.run_record", lambda *cells: booted(run_record(*cells)))
    record, _ = recorded(tmp_path / "project")
    stored(tmp_path / "results", own_run(record).model_copy(update={"run_id": OLD}))
    return tmp_path / "results"


def test_what_is_equal_counts_again(measured: Path) -> None:
    record, _ = recorded(measured.parent / "project")
    assert again(measured, record)


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_makes_a_new_measurement_and_leaks_nothing(measured: Path, what: str) -> None:
    written, files = CHANGES[what]
    directory = measured.parent / "project"
    before, _ = recorded(directory)
    record, _ = recorded(directory, changes=written, files=files)
    assert not again(measured, record)
    words = "; ".join(ways_to_differ(before, record))
    assert words
    told = words.encode() + record.model_dump_json().encode()
    hidden = {v for name, v in SECRET.items() if name not in {"a_name", "a_key"}} | {"another-one"}
    assert not any(form in told for value in hidden for form in in_any_form(value))


def test_another_lock_or_service_is_another_measurement(measured: Path) -> None:
    record, _ = recorded(measured.parent / "project")
    run = own_run(record).model_copy(update={"run_id": NOW})
    environment = run.environments["py3.11"].model_copy(update={"lock_digest": "sha256:ab"})
    companion = run.companions["grpc"].model_copy(update={"key": "de"})
    for update in (
        {"environments": {"py3.11": environment}},
        {"companions": {"grpc": companion}},
        {"application": None},
    ):
        assert reusable(run.model_copy(update=update), measured) == {}
    assert reusable(run, measured)


# -- what was installed ----------------------------------------------------------------------------


def test_what_an_environment_has_of_its_lock() -> None:
    lock = ApplicationLock(
        lock=Lock(
            request=EnvironmentRequest(python="3.11", requirements=()),
            platform="x86_64-manylinux_2_28",
            text="",
        ),
        sdists=(Sdist(name="debts", version="0.5"),),
        moved=(Moved(name="greenlet", was="3.1.1", now="3.5.6", because="gevent==26.9.0"),),
        added=("gevent==26.9.0",),
        contradiction="x needs y<2",
    )
    facts = installed(lock)
    assert facts["moved"] == ("greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0",)
    assert facts["added"] == ("gevent==26.9.0",)
    assert facts["contradiction"] == "x needs y<2"
    assert installed(None) == {}
    environment = run_record().environments["py3.11"]
    whole = EnvironmentRecord.model_validate({**environment.model_dump(), **facts})
    assert whole.moved == facts["moved"]


# -- run.json --------------------------------------------------------------------------------------


def test_a_run_without_application_is_written_as_before_but_for_its_version() -> None:
    content = json.loads(run_record(GEVENT).model_dump_json())
    assert content["schema_version"] == 4
    assert "application" not in content
    assert {*content["environments"]["py3.11"]} == {
        "python", "lock", "lock_digest", "base", "image_id",
    }  # fmt: skip
    assert RunRecord.model_validate(content) == run_record(GEVENT)


def test_a_run_with_an_application_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    run = own_run(recorded(tmp_path)[0])
    environment = run.environments["py3.11"].model_copy(update={"moved": ("a 1 → 2",)})
    run = run.model_copy(update={"environments": {"py3.11": environment}})
    assert RunRecord.model_validate_json(run.model_dump_json()) == run


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_older_runs_have_no_application(schema: int) -> None:
    older = run_record(GEVENT).model_dump(mode="json") | {"schema_version": schema}
    assert RunRecord.model_validate(older).application is None


# -- services --------------------------------------------------------------------------------------

IMAGE = ServiceImage(
    reference="postgres:17",
    image_id="sha256:image",
    key="postgres@sha256:abc",
    digest="postgres@sha256:abc",
    plan=CompanionPlan(name="db", image="sha256:image", memory_bytes=1, user="postgres"),
)


def of_a_service(
    directory: Path, password: str = "hidden-word", image: ServiceImage = IMAGE
) -> ApplicationRecord:
    (directory / "first.sql").write_text("CREATE TABLE t;")
    service = {
        "image": "postgres:17",
        "command": "postgres -c port=${PORT:-5433}",
        "environment": {"POSTGRES_PASSWORD": "${PASSWORD}", "POSTGRES_DB": "shop"},
        "volumes": ["./first.sql:/docker-entrypoint-initdb.d/1.sql"],
    }
    served = application(directory, services={"api": {"companion": "grpc"}, "db": service})
    found = own_services(served, {"PASSWORD": password})
    return application_record(
        served,
        Request(),
        Response(),
        source=None,
        variables=Variables(),
        key=bytes(32),
        services=[(one, image) for one in found],
    )


def test_what_is_recorded_of_services(tmp_path: Path) -> None:
    record = of_a_service(tmp_path)
    assert record.services["api"] == ServiceRecord(companion="grpc")
    found = record.services["db"]
    assert (found.image, found.digest, found.image_id, found.user) == (
        "postgres:17",
        "postgres@sha256:abc",
        "sha256:image",
        "postgres",
    )
    assert found.command == ("postgres", "-c", "port=${PORT}")
    assert (found.environment, found.secret_environment) == (
        {"POSTGRES_DB": "shop"},
        ("POSTGRES_PASSWORD",),
    )
    assert record.secret_names == (
        "service db: POSTGRES_PASSWORD",
        "service db: ${PORT}",
        "service db: file /docker-entrypoint-initdb.d/1.sql",
    )
    assert "hidden-word" not in record.model_dump_json()
    assert str(found) == "postgres:17 (abc)"


def test_a_service_is_among_what_decides_whether_launches_count_again(tmp_path: Path) -> None:
    record = of_a_service(tmp_path)
    run = run_record(cell_with_workload("sleep"))
    changed = [
        of_a_service(tmp_path, "another-word"),
        of_a_service(tmp_path, image=replace(IMAGE, image_id="sha256:other")),
    ]
    keys = {
        key(run.model_copy(update={"application": one}), run.cells[0]) for one in (record, *changed)
    }
    assert len(keys) == 3
    assert [*ways_to_differ(record, changed[0])] == [
        "secrets: other values, or of another machine, whose digests do not compare"
    ]


def test_services_of_the_first_runs_were_companions_by_name() -> None:
    found = ApplicationRecord.model_validate({"app": "shop", "services": {"upstream": "grpc"}})
    assert found.services == {"upstream": ServiceRecord(companion="grpc")}
