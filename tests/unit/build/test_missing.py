"""The reason of a failed build, in what real tools print."""

from __future__ import annotations

import pytest

from runner.build.missing import LONGEST, failure

GCC = """\
running build_ext
building '_psycopg' extension
x86_64-linux-gnu-gcc -I. -c psycopg/adapter_asis.c -o build/adapter_asis.o
In file included from psycopg/adapter_asis.c:28:
./psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory
   36 | #include <libpq-fe.h>
      |          ^~~~~~~~~~~~
compilation terminated.
error: command '/usr/bin/x86_64-linux-gnu-gcc' failed with exit code 1
"""
HOOK = """\
Traceback (most recent call last):
  File "/build/tools/site/pyproject_hooks/_in_process/_in_process.py", line 389, in <module>
    main()
  File "<string>", line 12, in <module>
ModuleNotFoundError: No module named 'numpy'
"""


def test_it_is_what_the_compiler_says_and_not_that_it_failed() -> None:
    found = failure(GCC)
    assert found.why == (
        "./psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory"
    )
    assert "`application.debian: [libpq-dev]`" in str(found)


def test_it_is_the_last_line_of_a_hook() -> None:
    assert str(failure(HOOK)) == "ModuleNotFoundError: No module named 'numpy'"


@pytest.mark.parametrize(
    "noise",
    [
        "error: subprocess-exited-with-error",
        "error: command 'gcc' failed: No such file or directory",
        "error: command '/usr/bin/gcc' failed with exit code 1",
        "subprocess.CalledProcessError: Command '['make']' returned non-zero exit status 2",
        "distutils.errors.CompileError: command '/usr/bin/gcc' failed with exit code 1",
        "make[1]: *** [Makefile:3: all] Error 1",
        "note: This error originates from a subprocess",
    ],
)
def test_noise_is_skipped(noise: str) -> None:
    assert failure(f"ValueError: the reason\n{noise}\n").why == "ValueError: the reason"
    assert failure(noise).why == noise  # there is nothing else


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("Error: pg_config executable not found.", "libpq-dev"),
        ("Modules/common.h:15:10: fatal error: lber.h: No such file or directory", "libldap2-dev"),
        ("fatal error: ldap.h: No such file or directory", "libldap2-dev"),
        ("fatal error: Python.h: No such file or directory", "python3-dev"),
        ("error: xmlsec1 is not installed or not in path.", "libxmlsec1-dev"),
        ("/bin/sh: 1: krb5-config: not found", "libkrb5-dev"),
        ("c/_cffi_backend.c:15:10: fatal error: ffi.h: No such file or directory", "libffi-dev"),
        ("Error: Please make sure the libxml2 and libxslt development packages", "libxml2-dev"),
        ("CalledProcessError: Command 'krb5-config --libs' returned non-zero", "libkrb5-dev"),
        ("Could not run curl-config: [Errno 2] No such file", "libcurl4-openssl-dev"),
    ],
)
def test_what_is_missing_has_its_package(line: str, package: str) -> None:
    assert str(failure(f"begin\n{line}\n")).endswith(
        f"; what it is built with is missing: `application.debian: [{package}]`"
    )


def test_the_package_may_stand_in_another_line_than_the_reason() -> None:
    printed = (
        "Trying pkg-config --exists mysqlclient\nException: Can not find valid pkg-config name\n"
    )
    found = failure(printed)
    assert found.why == "Exception: Can not find valid pkg-config name"
    assert "default-libmysqlclient-dev" in found.remedy


def test_what_needs_the_network_says_so() -> None:
    found = failure("error: can't find Rust compiler\n")
    assert "choose a version with a wheel" in found.remedy


def test_nothing_known_is_no_remedy_and_nothing_printed_is_said() -> None:
    assert str(failure("")) == "it printed nothing"
    assert failure("RuntimeError: no").remedy == ""


def test_it_is_one_short_line_without_addresses() -> None:
    why = failure(f"ValueError: https://{'user:pw'}@localhost/x \x1b[31m {'x' * 1000}\n").why
    assert "localhost" not in why
    assert "\x1b" not in why
    assert len(why) <= LONGEST
