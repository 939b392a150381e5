"""What is missing, as the option that supplies it: by what real programs printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.commands.trial.advice import advice, commands_in, of_request, remedy_for
from runner.commands.trial.draft import Draft
from runner.commands.trial.given import Given
from runner.commands.trial.look import Look
from runner.measurement.server_log import exception_line
from runner.outcome import Outcome
from tests.support.looks import look, right, wrong
from tests.support.own import SLASHES

TRACEBACK = (
    'Traceback (most recent call last):\n  File "/application/shop.py", line 4, in <module>\n'
)
OS = '  File "<frozen os>", line 679, in __getitem__\n'
#: The log, and the option.
LOGS = {
    "a variable": (
        f"{TRACEBACK}{OS}KeyError: 'SECRET_KEY'\n",
        "-e SECRET_KEY=…",
    ),
    "a variable that must be set": (
        f"{TRACEBACK}RuntimeError: environment variable DATABASE_URL must be set\n",
        "-e DATABASE_URL=…",
    ),
    "a setting of pydantic": (
        (
            f"{TRACEBACK}pydantic_core._pydantic_core.ValidationError: 1 validation error for "
            "Settings\nsecret_key\n  Field required [type=missing, input_value={}]\n"
        ),
        "-e SECRET_KEY=…",
    ),
    "a library": (
        (
            f"{TRACEBACK}OSError: libmagic.so.1: cannot open shared object file: No such file or "
            "directory\n"
        ),
        "--debian libmagic1",
    ),
    "a library that is not known": (
        (
            f"{TRACEBACK}ImportError: libobscure.so.3: cannot open shared object file: No such "
            "file or directory\n"
        ),
        "--debian …",
    ),
    "a program": (
        f"{TRACEBACK}FileNotFoundError: [Errno 2] No such file or directory: 'git'\n",
        "--debian git",
    ),
    "a distribution": (
        f"{TRACEBACK}ModuleNotFoundError: No module named 'yaml'\n",
        "-r pyyaml",
    ),
    "a distribution called as its module": (
        f"{TRACEBACK}ModuleNotFoundError: No module named 'redis.asyncio'\n",
        "-r redis",
    ),
    "a host": (
        (
            f'{TRACEBACK}psycopg2.OperationalError: could not translate host name "db" to address: '
            "Temporary failure in name resolution\n"
        ),
        "--service db=postgres",
    ),
    "a service": (
        (
            f'{TRACEBACK}psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 '
            "failed: Connection refused\n"
        ),
        "--service postgres",
    ),
    "a path that cannot be written": (
        f"{TRACEBACK}OSError: [Errno 30] Read-only file system: '/var/lib/shop'\n",
        "-e …=/tmp/…",
    ),
    "a service that is not known": (
        f"{TRACEBACK}ConnectionRefusedError: [Errno 111] Connection refused\n",
        "--service …",
    ),
}


def a_draft(directory: Path, *installs: str, **given: object) -> Draft:
    told = Given(directory=directory, app="shop.wsgi:create_app()", **given)  # type: ignore[arg-type]
    return Draft(given=told, installs=frozenset(installs))


def option(log: str, draft: Draft, outcome: Outcome = Outcome.IMPORT_ERROR) -> str | None:
    remedy = remedy_for(outcome, exception_line(log) or log, log, draft.left_out_as)
    assert remedy, log
    return advice(remedy, draft).option


@pytest.mark.parametrize(("log", "expected"), LOGS.values(), ids=LOGS)
def test_a_log_has_its_option(log: str, expected: str, tmp_path: Path) -> None:
    assert option(log, a_draft(tmp_path)) == expected


def test_of_a_file_by_a_secret_path_the_variable_is_named(tmp_path: Path) -> None:
    log = f"{TRACEBACK}FileNotFoundError: [Errno 2] No such file or directory: '***'\n"
    remedy = remedy_for(Outcome.IMPORT_ERROR, exception_line(log), log, lambda _: ())
    assert remedy
    variables = {"SHOP_CONFIG": "/tmp/shop.yml", "SECRET_KEY": "aHR0cHM6"}
    found = advice(remedy, a_draft(tmp_path, variables=variables))
    assert (found.missing, found.option) == ("there is no file ***", "--before …")
    assert found.remark.startswith("SHOP_CONFIG names it; the command that makes it, or put it")
    assert "names it" not in advice(remedy, a_draft(tmp_path)).remark


def test_a_build_that_fails_has_its_option(tmp_path: Path) -> None:
    reason = (
        "psycopg2 2.9.9 has no wheel for Python 3.11 and cannot be built: Error: pg_config "
        "executable not found"
    )
    assert option(reason, a_draft(tmp_path), Outcome.UNAVAILABLE) == "--debian libpq-dev"


def test_requirements_that_were_found_are_named_with_the_one_that_is_missing(
    tmp_path: Path,
) -> None:
    log = LOGS["a distribution"][0]
    found = a_draft(tmp_path, requirements=("uv.lock",), has_found_requirements=True)
    assert option(log, found) == "-r uv.lock -r pyyaml"
    assert option(log, a_draft(tmp_path, requirements=("uv.lock",))) == "-r pyyaml"


NO_TABLE = f"{TRACEBACK}sqlite3.OperationalError: no such table: item\n"


def test_tables_are_made_by_the_command_that_the_application_has(tmp_path: Path) -> None:
    assert option(NO_TABLE, a_draft(tmp_path)) == "--before …"
    (tmp_path / "shop.py").write_text(
        "@bp.cli.command('say-hello')\ndef a(): ...\n"
        '@click.command(name="init-db")\ndef b(): ...\n'
    )
    assert commands_in(tmp_path) == ("say-hello", "init-db")
    assert option(NO_TABLE, a_draft(tmp_path)) == (
        "--before 'flask --app \"shop.wsgi:create_app()\" init-db'"
    )
    assert option(NO_TABLE, a_draft(tmp_path, "alembic")) == (
        "--before 'flask --app \"shop.wsgi:create_app()\" init-db'"
    )
    (tmp_path / "alembic.ini").write_text("[alembic]\n")
    assert option(NO_TABLE, a_draft(tmp_path, "alembic")) == '--before "alembic upgrade head"'
    assert option(NO_TABLE, a_draft(tmp_path, "alembic", "flask-migrate")) == (
        "--before 'flask --app \"shop.wsgi:create_app()\" db upgrade'"
    )
    (tmp_path / "Procfile").write_text("web: ./manage.py migrate && gunicorn shop.wsgi:app\n")
    (tmp_path / "manage.py").write_text("")
    assert option(NO_TABLE, a_draft(tmp_path, "flask-migrate")) == '--before "./manage.py migrate"'


def test_a_library_that_is_not_known_says_how_to_find_it(tmp_path: Path) -> None:
    log = LOGS["a library that is not known"][0]
    remedy = remedy_for(Outcome.IMPORT_ERROR, exception_line(log), log, lambda _: ())
    assert remedy
    assert [*advice(remedy, a_draft(tmp_path)).lines()] == [
        "missing: the library libobscure.so.3 is missing",
        "    add: --debian …",
        "         (`apt-file search libobscure.so.3` names the package, on a machine with Debian)",
    ]


def test_a_ready_made_service_says_where_it_is(tmp_path: Path) -> None:
    log = LOGS["a host"][0]
    remedy = remedy_for(Outcome.IMPORT_ERROR, exception_line(log), log, lambda _: ())
    assert remedy
    assert advice(remedy, a_draft(tmp_path)).remark == (
        f"it is at postgresql:{SLASHES}matrix@db:7803/matrix"
    )


def test_what_no_option_helps_says_what_does(tmp_path: Path) -> None:
    log = f"{TRACEBACK}OSError: [Errno 30] Read-only file system: '/site/a' -> '/site/shop/b'\n"
    remedy = remedy_for(Outcome.IMPORT_ERROR, exception_line(log), log, lambda _: ())
    assert remedy
    found = advice(remedy, a_draft(tmp_path))
    assert (found.missing, found.option) == ("/site/shop/b cannot be written", None)
    assert "checkout" in found.remark


# -- the request -----------------------------------------------------------------------------------

LOGIN = wrong("/", 302, "/login")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (look(LOGIN, right("/login"), right("/healthcheck"), routes=("/", "/login"), wanted="/"),
         "--path /healthcheck"),
        (look(LOGIN, right("/about"), routes=("/", "/about"), wanted="/"), "--path /about"),
        (look(LOGIN, wrong("/about", 404), routes=("/", "/about")), "--path …"),
    ],
)  # fmt: skip
def test_a_wrong_answer_has_a_path_that_is_right(found: Look, expected: str) -> None:
    reason = "status 302, expected 200: GET / redirects to /login; set `request.headers`"
    advised = of_request(found, reason)
    assert advised.option == expected
    assert advised.missing == "status 302, expected 200: GET / redirects to /login"
