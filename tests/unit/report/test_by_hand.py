"""Commands that start a cell by hand: what an application needs is in them, and nothing secret."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.matrix.services import INITIAL
from runner.report.by_hand import OF_AB, by_hand
from runner.store.application_record import ApplicationRecord, RequestRecord, ResponseRecord
from runner.store.records import CompanionRecord, RunRecord
from runner.store.service_record import ServiceRecord
from tests.support.own import GEVENT, SECRET, own_run, recorded
from tests.support.samples import cell_with_workload, run_record

#: What every pod begins with.
HOST = "Host: 127.0.0.1:7779"
COMPANIONS = {
    "upstream": ServiceRecord(companion="grpc"),
    "web": ServiceRecord(companion="http"),
}
SIDECAR = "docker run -d --name by-hand-loadgen "


def commands(run: RunRecord, cell: Any = None) -> list[str]:
    return by_hand(run, cell or run.cells[-1], [])


def own(application: ApplicationRecord, companions: Mapping[str, str] | None = None) -> RunRecord:
    made = {n: CompanionRecord(image_id=i) for n, i in (companions or {"grpc": "sha256:g"}).items()}
    return own_run(application).model_copy(update={"companions": made})


def asked(**request: Any) -> ApplicationRecord:
    return ApplicationRecord(app="shop", request=RequestRecord(**request))


def line(run: RunRecord, *parts: str) -> str:
    """The one command that has all of these in it."""
    [found] = [one for one in commands(run) if all(part in one for part in parts)]
    return found


def test_what_is_secret_is_to_be_set_and_not_there(tmp_path: Path) -> None:
    application, _ = recorded(tmp_path)
    found = commands(own(application))
    text = "\n".join(found)
    assert not any(
        secret in text for name, secret in SECRET.items() if name not in {"a_name", "a_key"}
    )
    notes = [one for one in found if one.startswith("#")]
    assert found[: len(notes)] == notes
    assert notes[0].startswith("# export ")
    assert "SECRET_KEY" in notes[0]
    assert "# set FILE_0 to your file for /etc/shop.yml" in notes
    assert "# set HEADER_AUTHORIZATION to the value of the header Authorization" in notes
    assert "# set BODY to a file with the request's body, 10 bytes" in notes
    server = line(own(application), "docker create")
    assert " -v /application -v /home/application -v /files " in server
    assert " -e SECRET_KEY " in server
    assert " -e API_TOKEN " in server
    assert "MODE" not in server, "it is in the image"


def test_files_are_copied_between_creation_and_start(tmp_path: Path) -> None:
    application, _ = recorded(tmp_path)
    found = commands(own(application))
    order = [
        next(i for i, one in enumerate(found) if part in one)
        for part in (
            "docker create --name by-hand-server",
            "docker cp - by-hand-server:/files",
            "docker start by-hand-server",
            "ab -q -n 1",
        )
    ]
    assert order == sorted(order)


def test_a_file_arrives_for_the_server_alone(tmp_path: Path) -> None:
    application, _ = recorded(tmp_path)
    copy = line(own(application), "docker cp").partition(" | ")[0]
    (tmp_path / "my shop.yml").write_text("content")
    listed = subprocess.run(
        ["bash", "-ec", f"{copy} | tar -tv --numeric-owner"],
        env={"FILE_0": str(tmp_path / "my shop.yml"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert listed.split()[:2] == ["-r--------", "7001/7001"]
    assert listed.split()[-1] == "0"


def test_services_are_started_as_they_were_and_what_is_secret_is_left_to_the_shell() -> None:
    database = ServiceRecord(
        image="postgres:17",
        image_id="sha256:p",
        user="postgres",
        entrypoint=("sh", "-x"),
        command=("start", "--name=it's", "${PORT}"),
        environment={"POSTGRES_DB": "a shop"},
        secret_environment=("POSTGRES_PASSWORD",),
        tmpfs={"/tmp": "rw,exec"},
        volumes=("/run", INITIAL),
        files=(f"{INITIAL}/1.sql",),
        check=("pg_isready", "-p", "${PORT}"),
        within_s=60,
        memory_mib=512,
    )
    queue = ServiceRecord(image="queue", image_id="sha256:q", user="7002:7002", port=5672)
    application = ApplicationRecord(app="shop", services={"db": database, "queue": queue})
    run = own(application)
    found = commands(run)
    assert "# export DB_POSTGRES_PASSWORD PORT: they are secret, and in no record" in found
    assert f"for {INITIAL}: {INITIAL}/1.sql" in line(run, "DB_FILES to the directory")
    created = line(run, "docker create", "by-hand-companion-db")
    assert created.endswith(" sha256:p -x start '--name=it'\"'\"'s' \"${PORT}\"")
    options = (
        "-u postgres", "--memory 536870912", "--tmpfs /tmp:rw,exec", "-v /run", "--entrypoint sh",
        "-e 'POSTGRES_DB=a shop'", '-e POSTGRES_PASSWORD="$DB_POSTGRES_PASSWORD"',
        "--cap-drop ALL", "--read-only",
    )  # fmt: skip
    assert [option for option in options if f" {option} " not in created] == []
    assert line(run, "docker cp").startswith("tar ")
    assert 'docker exec by-hand-companion-db pg_isready -p "${PORT}" ' in line(run, "seq 300")
    assert 'create_connection(("127.0.0.1", 5672), 1)' in line(run, "by-hand-loadgen python3 -c")
    subprocess.run(["sh", "-n", "-c", "\n".join(found)], check=True)


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_a_companion_that_the_run_has_no_record_of(kind: str) -> None:
    """So it is after a run whose companion could not be built, or of another release's."""
    run = own(ApplicationRecord(app="shop", services=COMPANIONS), {"grpc": "g", "http": "h"})
    known = {name: record for name, record in run.companions.items() if name != kind}
    text = "\n".join(commands(run.model_copy(update={"companions": known})))
    assert f"do not both know a companion '{kind}'" in text
    assert text.count("docker run -d --name by-hand-companion-") == 1


def test_services_are_companions_with_names() -> None:
    application = ApplicationRecord(app="shop", services=COMPANIONS)
    run = own(application, {"grpc": "sha256:g", "http": "sha256:h"})
    found = commands(run)
    assert found[0].startswith(
        f"{SIDECAR}--hostname application --add-host application:127.0.0.1 "
        "--add-host upstream:127.0.0.1 --add-host web:127.0.0.1 "
    )
    assert line(run, "docker run", "by-hand-companion-upstream").endswith(" sha256:g")
    assert line(run, "docker run", "by-hand-companion-web").endswith(" sha256:h")
    joiners = "by-hand-server by-hand-companion-upstream by-hand-companion-web"
    assert found[-2:] == [f"docker rm -f -v {joiners}", "docker rm -f -v by-hand-loadgen"]


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        ({"path": "/a?b=1&c"}, " -l 'http://127.0.0.1:7779/a?b=1&c' "),
        ({"method": "HEAD"}, " -i http://"),
        ({"method": "DELETE"}, " -m DELETE -l http://"),
        ({"method": "POST", "body_bytes": 3}, " -p /tmp/body -T text/plain -l http://"),
        (
            {"method": "PUT", "body_bytes": 0, "content_type": "application/json"},
            " -u /tmp/body -T application/json -l http://",
        ),
        ({"method": "PATCH", "body_bytes": 3}, " -p /tmp/body -T text/plain -m PATCH -l http://"),
        ({"headers": ("X-Key",)}, ' -H "X-Key: $HEADER_X_KEY" -l http://'),
        (
            {"method": "POST", "body_bytes": 3, "headers": ("content-type",)},
            ' -p /tmp/body -T "$HEADER_CONTENT_TYPE" -l http://',
        ),
    ],
)
def test_ab_is_told_the_request(request_: dict[str, Any], options: str) -> None:
    assert options in line(own(asked(**request_)), "ab -c 100 -n 5000")


def test_the_length_of_answers_counts_where_the_right_one_is_exact() -> None:
    exact = asked().model_copy(update={"response": ResponseRecord(check="body", text="ok")})
    assert " -l " not in line(own(exact), "ab -c 100 -n 5000")


@pytest.mark.parametrize(
    ("request_", "body", "head"),
    [
        (
            {"path": "/it's?a=1"},
            "",
            ["GET /it's?a=1 HTTP/1.0", HOST, *OF_AB],
        ),
        (
            {"method": "POST", "body_bytes": 4, "content_type": "a/b", "headers": ("X-Key",)},
            "a\nbc",
            [
                *("POST / HTTP/1.0", "Content-Length: 4", HOST, *OF_AB),
                *("Content-Type: a/b", r"X-Key: 5 % of \n"),
            ],
        ),
    ],
)
def test_at_a_fixed_rate_the_whole_request_is_in_a_file(
    tmp_path: Path, request_: dict[str, Any], body: str, head: list[str]
) -> None:
    run = own(asked(**request_))
    cell = GEVENT.model_copy(update={"rate": 45.0, "load_s": 10.0})
    [written] = [one for one in commands(run, cell) if "/tmp/message'" in one]
    (tmp_path / "body").write_text(body)
    printed = subprocess.run(
        ["bash", "-ec", written.partition(" | docker")[0]],
        env={"BODY": str(tmp_path / "body"), "HEADER_X_KEY": r"5 % of \n", "PATH": "/usr/bin:/bin"},
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert printed.decode() == "\r\n".join([*head, "", body])
    assert '"message": "/tmp/message"' in "\n".join(commands(run, cell))


def test_pythons_path_stays_ours_too() -> None:
    application = ApplicationRecord(app="shop", secret_names=("variable PYTHONPATH",))
    assert ' -e PYTHONPATH="$PYTHONPATH:/site:/server" ' in line(own(application), "docker create")


def test_a_workload_needs_nothing_set() -> None:
    known = {"companion": "http", "image": "sha256:i"}
    run = run_record(cell_with_workload("http").model_copy(update=known))
    companions = {"http": CompanionRecord(image_id="sha256:h")}
    run = run.model_copy(update={"companions": companions})
    found = commands(run)
    assert found[0].startswith(f"{SIDECAR}--cap-drop ALL")
    assert any(" --name by-hand-companion --network" in one for one in found)
    assert not any(one.startswith("#") or "-e " in one.partition("||")[0] for one in found[:3])
