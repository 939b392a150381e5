"""What helps, by what a process printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runner.measurement.remedy import remedy


def printed(program: str, **variables: str) -> str:
    """What a Python program prints when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=variables
    )
    assert done.returncode
    return done.stderr


def raised(exception: str) -> str:
    return f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n{exception}\n'


FAILING = {
    "import os; os.environ['SHOP_KEY']": "SHOP_KEY is not set: set it in `application.environment`",
    "import ctypes; ctypes.CDLL('libshop.so.7')": (
        "libshop.so.7 is missing: `application.debian: […]` with the Debian package that has it"
    ),
    "import shop.version": "the module shop is neither in the source nor installed",
    "import subprocess; subprocess.run(['gitt'])": "`application.debian: [gitt]`",
    "open('/nowhere/shop.yml')": "there is no file /nowhere/shop.yml: put it there by `application",
    "open('/proc/sys/kernel/version', 'w')": "version cannot be written: only the application's",
    "import sqlite3; sqlite3.connect(':memory:').execute('select * from item')": (
        "the table item is not there: make it in `application.before`"
    ),
    "import socket; socket.create_connection(('127.0.0.1', 1))": "in `application.services`",
}


@pytest.mark.parametrize(("program", "words"), FAILING.items())
def test_what_python_prints_has_a_remedy(program: str, words: str) -> None:
    assert words in (remedy(printed(program, PATH="/usr/bin:/bin")) or "nothing")


def test_what_a_shell_prints_has_a_remedy() -> None:
    done = subprocess.run(["/bin/sh", "-c", "nosuchprogram a"], capture_output=True, text=True)  # noqa: PLW1510
    assert "`application.debian: [nosuchprogram]`" in (remedy(done.stderr) or "")


def test_a_read_only_file_system_has_a_remedy() -> None:
    log = raised("OSError: [Errno 30] Read-only file system: '/var/lib/shop'")
    assert "/var/lib/shop cannot be written" in (remedy(log) or "")


def test_a_known_library_has_its_package_named() -> None:
    error = "libmagic.so.1: cannot open shared object file: No such file or directory"
    words = remedy(raised(f"ImportError: {error}"))
    assert words == "the library libmagic.so.1 is missing: `application.debian: [libmagic1]`"


@pytest.mark.parametrize(
    ("exception", "missing", "path"),
    [
        ("ModuleNotFoundError: No module named 'shop.version'", "shop.version", "shop/version.py"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/application/shop.cfg'",
            "shop.cfg",
            "shop.cfg",
        ),
    ],
)
def test_what_was_not_copied_is_said_to_be_so(exception: str, missing: str, path: str) -> None:
    words = remedy(raised(exception), lambda name: [path] if name == missing else [])
    assert words == f"{path} was not copied, for it is ignored: `application.include: [{path}]`"


@pytest.mark.parametrize(
    "log",
    [
        "",
        raised("KeyError: 'sku'"),  # of some dictionary
        raised("ValueError: no such thing"),
        raised("KeyError: 'SHOP_KEY'") + raised("ValueError: then another"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(log: str) -> None:
    assert remedy(log) is None
