"""What helps, by what programs really print: a key of the matrix file, and its value."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runner.application.remedies.remedy import setting
from runner.application.remedies.rules import BUILDING, RULES, remedy_of
from runner.measurement.server_log import exceptions
from runner.measurement.verdict import with_remedy
from runner.outcome import Outcome
from runner.text import last_line

REFUSED = "Connection refused\n\tIs the server running on that host"


def printed(program: str, **variables: str) -> str:
    """What a Python program prints when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=variables
    )
    assert done.returncode
    return done.stderr


def raised(exception: str) -> str:
    return f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n{exception}\n'


def said(log: str) -> str:
    return str(remedy_of(([*exceptions(log)] or [last_line(log)])[-1], log) or "nothing")


FAILING = {
    "import os; os.environ['SHOP_KEY']": (
        "the variable SHOP_KEY is not set: set it by `application.environment: {SHOP_KEY: …}`"
    ),
    "import ctypes; ctypes.CDLL('libshop.so.7')": (
        "libshop.so.7 is missing: `application.debian: […]` with the Debian package that has it"
    ),
    "import ctypes; ctypes.CDLL('libzbar.so.7')": (
        "the library libzbar.so.7 is missing: `application.debian: [libzbar0]`"
    ),
    "import shop.version": "the module shop is neither in the source nor installed: add what has",
    "import yaml_ as x": "the module yaml_ is neither",
    "import subprocess; subprocess.run(['msgfmt'])": (
        "there is no program msgfmt: `application.debian: [gettext]`"
    ),
    "import subprocess; subprocess.run(['gitt'])": (
        "there is no program gitt: name the package that has it in `application.debian`"
    ),
    "open('/nowhere/shop.yml')": "there is no file /nowhere/shop.yml: put it there by `application",
    "open('settings.cfg')": "there is no file settings.cfg: put it there by `application.files`",
    "open('/proc/sys/kernel/version', 'w')": "version cannot be written: only the application's",
    "import sqlite3; sqlite3.connect(':memory:').execute('select * from item')": (
        "the table item is not there: make it in `application.before`"
    ),
    "import socket; socket.create_connection(('127.0.0.1', 1))": "in `application.services`",
    "import socket; socket.create_connection(('redis.invalid', 6379))": "in `application.services`",
}


@pytest.mark.parametrize(("program", "words"), FAILING.items())
def test_what_python_prints_has_a_remedy(program: str, words: str) -> None:
    assert words in said(printed(program, PATH="/nowhere"))


#: What others print, and key and value of what helps.
LINES = [
    # variables, as applications and their libraries miss them
    ("KeyError: 'sku'", None, None),
    ("RuntimeError: SECRET_KEY must be set", "environment", "SECRET_KEY"),
    ("ValueError: Environment variable 'DATABASE_URL' is not set", "environment", "DATABASE_URL"),
    ('environs.EnvError: Environment variable "SHOP_KEY" not set', "environment", "SHOP_KEY"),
    ("RuntimeError: Missing environment variable: API_TOKEN", "environment", "API_TOKEN"),
    (
        "decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a def",
        "environment",
        "SECRET_KEY",
    ),
    ("Exception: REDASH_COOKIE_SECRET environment variable is required", "environment",
     "REDASH_COOKIE_SECRET"),
    ("ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "environment",
     "SECRET_KEY"),
    ("RuntimeError: PYGEOAPI_CONFIG environment variable not set", "environment",
     "PYGEOAPI_CONFIG"),
    ("Error: Please configure a random SECRET_KEY with a length of at least 16 characters.",
     "environment", "SECRET_KEY"),
    ("Error: Please configure a REPOSITORY path.", "environment", "REPOSITORY"),
    ("Please configure a HTTP server", None, None),
    ("ValueError: SHOP_URL has not been configured", "environment", "SHOP_URL"),
    ("RuntimeError: Either 'SQLALCHEMY_DATABASE_URI' or 'SQLALCHEMY_BINDS' must be set.",
     "environment", "SQLALCHEMY_DATABASE_URI"),
    # programs
    ("ImportError: Failed to initialize: Bad git executable.", "debian", "git"),
    ("OSError: No wkhtmltopdf executable found: \"b''\"", "debian", "wkhtmltopdf"),
    ("TesseractNotFoundError: tesseract is not installed or it's not in your PATH. See README",
     "debian", "tesseract-ocr"),
    ("ExecutableNotFound: failed to execute PosixPath('dot'), make sure the Graphviz", "debian",
     "graphviz"),
    ("/bin/sh: 1: make: not found", "debian", "make"),
    ("/bin/sh: 1: pybabel: not found", "debian", None),
    ("bash: line 1: psql: command not found", "debian", "postgresql-client"),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'git'", "debian", "git"),
    ("error: [Errno 2] No such file or directory: 'msgfmt'", "debian", "gettext"),
    ("env: node: No such file or directory", "debian", "nodejs"),
    ("Error: pg_config executable not found.", "debian", "libpq-dev"),
    # libraries
    ("ImportError: failed to find libmagic.  Check your installation", "debian", "libmagic1"),
    ("ImportError: libpq.so.5: cannot open shared object file: No such file", "debian", "libpq5"),
    ("ImportError: libglib-2.0.so.0: cannot open shared object file", "debian", "libglib2.0-0"),
    ("OSError: cannot load library 'libcairo-2': libcairo-2: cannot", "debian", "libcairo2"),
    ("OSError: cannot load library 'libcairo.so.2': libcairo.so.2: can", "debian", "libcairo2"),
    # modules, and the address
    ("ModuleNotFoundError: No module named 'yaml'", "requirements", "pyyaml"),
    ("ModuleNotFoundError: No module named 'shop.wsgi'", "requirements", None),
    ("loading.AppImportError: Failed to find attribute 'ap' in 'shop'.", "app", None),
    ("Error: No such command 'db'.", "requirements", "flask-migrate"),
    ("Error: No such command 'init-db'.", "requirements", None),
    ("python3: can't open file '/application/gen.py': [Errno 2] No such file", "files", None),
    ("Error: Invalid value for 'CONFIG_FILE': 'a.yml': No such file or directory", "files", None),
    ("Error: Repository path '***' not found. Please configure it.", "files", None),
    ("OSError: [Errno 30] Read-only file system: '/site/app/a.css' -> '/site/app/b.css'", "", None),
    ("PermissionError: [Errno 13] Permission denied: '/tmp/a' -> '/srv/b'", "environment", None),
    # databases
    ('relation "product" does not exist', "before", None),
    ("ProgrammingError: (1146, \"Table 'shop.item' doesn't exist\")", "before", None),
    (
        'psycopg2.OperationalError: could not translate host name "db" to address: Temporary f',
        "services",
        "postgres",
    ),
    (f'psycopg2.OperationalError: connection to server at "x", port 5432 failed: {REFUSED}',
     "services", "postgres"),
    ("sqlalchemy.exc.OperationalError: (2005, \"Unknown MySQL server host 'db' (-3)\")",
     "services", "mariadb"),
    ("requests.exceptions.ConnectionError: [Errno 111] Connection refused", "services", None),
    # nothing that is known
    ("cat: /etc/make: No such file or directory", None, None),
    ("page not found", None, None),
    ("all is well", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "key", "value"), LINES)
def test_what_is_printed_names_a_key_and_its_value(
    line: str, key: str | None, value: str | None
) -> None:
    found = remedy_of(line, line)
    assert (found and found.key, found and found.value) == (key, value)


def test_a_field_without_a_value_of_pydantics_settings_is_a_variable() -> None:
    log = raised(
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\n"
        "secret_key\n  Field required [type=missing, input_value={}, input_type=dict]"
    )
    (line,) = exceptions(log)
    found = remedy_of(line, log)
    assert found
    assert (found.key, found.value) == ("environment", "SECRET_KEY")


def test_a_read_only_file_system_has_a_remedy() -> None:
    log = raised("OSError: [Errno 30] Read-only file system: '/var/lib/shop'")
    assert "/var/lib/shop cannot be written" in said(log)


@pytest.mark.parametrize(
    ("line", "missing", "path"),
    [
        ("ModuleNotFoundError: No module named 'shop.version'", "shop.version", "shop/version.py"),
        ("[Errno 2] No such file or directory: '/application/shop.cfg'", "shop.cfg", "shop.cfg"),
        ("[Errno 2] No such file or directory: 'Makefile'", "Makefile", "Makefile"),
    ],
)
def test_what_was_not_copied_is_said_to_be_so(line: str, missing: str, path: str) -> None:
    found = remedy_of(line, "", lambda name: [path] if name == missing else [])
    assert found
    assert (found.key, found.value) == ("include", path)
    assert (
        str(found) == f"{path} was not copied, for it is ignored: `application.include: [{path}]`"
    )


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("debian", "git", "`application.debian: [git]`"),
        ("before", "flask db upgrade", '`application.before: ["flask db upgrade"]`'),
        ("services", "postgres", "`application.services: {db: {companion: postgres}}`"),
        ("chdir", "api", "`application.chdir: api`"),
        ("files", None, "`application.files`"),
    ],
)
def test_a_setting_is_shown_as_it_stands_in_the_matrix_file(
    key: str, value: str | None, shown: str
) -> None:
    assert setting(key, value) == shown


def test_every_rule_has_words_for_both_cases() -> None:
    for rule in (*RULES, *BUILDING):
        line = "x {}"
        assert rule.remedy(line, line) is None
        assert (rule.says + rule.to_do + rule.else_do).format(name="n", setting="s")


def test_a_reason_goes_on_with_what_helps() -> None:
    log = printed("import os; os.environ['SHOP_KEY']")
    found = Outcome.IMPORT_ERROR, "KeyError: 'SHOP_KEY'"
    outcome, reason = with_remedy(found, log, lambda _: ())
    assert outcome is Outcome.IMPORT_ERROR
    assert reason == (
        "KeyError: 'SHOP_KEY'; the variable SHOP_KEY is not set: set it by "
        "`application.environment: {SHOP_KEY: …}`, or in a file under `application.env_file`"
    )


def test_what_the_log_says_of_something_else_does_not_count() -> None:
    log = raised("ModuleNotFoundError: No module named 'speedups'") + raised("ValueError: 7")
    found = Outcome.IMPORT_ERROR, "ValueError: 7"
    assert with_remedy(found, log, lambda _: ()) == found
