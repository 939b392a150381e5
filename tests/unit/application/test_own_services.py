"""Services with the values of the host's variables, what of them is secret, their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.application.services import OwnService, own_services
from runner.errors import SpecError
from tests.unit.application.applications import application

HOST = {"PASSWORD": "a-secret-word", "TAG": "16", "PORT": "6380"}
DATABASE = {
    "image": "registry.example/postgres:${TAG:-17}",
    "command": ["postgres", "-c", "port=${PORT}", "$${HOME}"],
    "environment": {"POSTGRES_PASSWORD": "${PASSWORD}", "POSTGRES_DB": "shop"},
    "healthcheck": {"test": "pg_isready -p ${PORT} -U ${WHO:-hidden-default}"},
}


def read(directory: Path, host: dict[str, str] | None = None, **services: Any) -> OwnService:
    own = application(directory, services={"api": {"companion": "grpc"}, **services})
    [found] = own_services(own, HOST if host is None else host)
    return found


def test_variables_of_the_host_are_in_all_texts(tmp_path: Path) -> None:
    found = read(tmp_path, db=DATABASE).service
    assert found.image == "registry.example/postgres:16"
    assert found.command == ("postgres", "-c", "port=6380", "${HOME}")
    assert dict(found.environment)["POSTGRES_PASSWORD"] == "a-secret-word"
    assert found.healthcheck
    assert found.healthcheck.command[-1] == "pg_isready -p 6380 -U hidden-default"


def test_what_came_from_the_host_is_secret_and_so_is_a_default(tmp_path: Path) -> None:
    own = read(tmp_path, db=DATABASE)
    assert dict(own.secret) == {
        "POSTGRES_PASSWORD": "a-secret-word",
        "${PORT}": "6380",
        "${WHO}": "hidden-default",
    }
    assert own.secrets.mask("is a-secret-word, is hidden-default") == "is ***, is ***"
    seen = f"{own!r} {own.public!r}"
    public = repr(own.public)
    assert "a-secret-word" not in seen
    assert "hidden-default" not in public
    assert own.public.command == ("postgres", "-c", "port=${PORT}", "$${HOME}")
    assert own.public.image == "registry.example/postgres:16"
    assert own.public.environment == (("POSTGRES_DB", "shop"),)
    assert own.secret_environment == ("POSTGRES_PASSWORD",)


def test_a_variable_that_is_not_set_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, {"PORT": "1", "TAG": "2"}, db=DATABASE)
    assert "services: db: environment.POSTGRES_PASSWORD: the variable PASSWORD is not set here" in (
        str(caught.value)
    )
    assert "`${PASSWORD:-default}`" in str(caught.value)


def test_what_a_database_reads_at_first(tmp_path: Path) -> None:
    initial = "/docker-entrypoint-initdb.d"
    (tmp_path / "sql" / "more").mkdir(parents=True)
    (tmp_path / "sql" / "1.sql").write_text("one")
    (tmp_path / "sql" / "more" / "run.sh").write_text("two")
    (tmp_path / "sql" / "more" / "run.sh").chmod(0o755)
    (tmp_path / "last.sql").write_text("three")
    volumes = [f"./sql:{initial}", f"./last.sql:{initial}/9.sql:ro"]
    assert read(tmp_path, db={"image": "postgres", "volumes": volumes}).files == {
        f"{initial}/1.sql": (b"one", 0o644),
        f"{initial}/more/run.sh": (b"two", 0o755),
        f"{initial}/9.sql": (b"three", 0o644),
    }
    with pytest.raises(SpecError, match=r"services: db: .*gone cannot be read .*fix the path"):
        read(tmp_path, db={"image": "postgres", "volumes": [f"./gone:{initial}"]})
