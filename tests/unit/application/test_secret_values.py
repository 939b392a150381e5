"""Secret values: what is masked, and how they are compared."""

from __future__ import annotations

import html
import json
import os
import threading
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from runner.application import secret_values
from runner.application.secret_values import (
    Secrets,
    keyed_digest,
    of_files,
    of_headers,
    secret_key,
)
from runner.errors import UsageError

BOTH_QUOTES = 'it\'s \\ "it"'
VALUE = 'pä"ss wörd/'


def secrets(*values: str) -> Secrets:
    return Secrets(values=frozenset(values))


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        ([], "all of it", "all of it"),
        ([""], "all of it", "all of it"),
        (["secret"], "a secret, and secrets", "a ***, and ***s"),
        (["short"], "a short one", "a short one"),
        (["a.cdef"], "abcdef a.cdef", "abcdef ***"),
        (["secret", "secret-longer"], "secret-longer secret", "*** ***"),
        (["secret", "longer"], "secretlonger", "******"),
        ([VALUE], f"is {VALUE}!", "is ***!"),
        ([VALUE], json.dumps({"a": VALUE}), '{"a": "***"}'),
        ([VALUE], f"{quote(VALUE)} {quote(VALUE, safe='')} {quote_plus(VALUE)}", "*** *** ***"),
        ([VALUE], f"{VALUE.encode()!r} {html.escape(VALUE)}", "b'***' ***"),
        ([BOTH_QUOTES], repr({"a": BOTH_QUOTES}), "{'a': '***'}"),
        (["one line\n  two lines\n"], "log: one line\nlog: two lines", "log: ***\nlog: ***"),
        (["  spaced  "], "spaced", "***"),
        ([f"db:{'//'}me:pass%20word@host/x"], "pass word, pass%20word", "***, ***"),
        (["db://[me:password@host"], "password", "password"),
    ],
)
def test_what_is_masked(values: list[str], text: str, expected: str) -> None:
    assert secrets(*values).mask(text) == expected


def test_what_is_not_utf_8_stays_as_it_is() -> None:
    assert secrets("secret").mask_bytes(b"\xff secret \xfe") == b"\xff *** \xfe"


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("Bearer token-1", "token-1 of a Bearer", "*** of a Bearer"),
        ("session=abc-def; theme=dark", "abc-def, dark, theme", "***, dark, theme"),
        ("abcdef", "abcdef", "***"),
    ],
)
def test_what_of_a_header_is_masked(value: str, text: str, expected: str) -> None:
    assert of_headers([value]).mask(text) == expected


def test_what_of_a_file_is_masked() -> None:
    content = b"api_key: 'key-77'\nname = \"shop-x\"\n[section]\n\xff\n"
    text = "key-77 and shop-x in [section] of api_key"
    assert of_files([content]).mask(text) == "*** and *** in *** of api_key"


def test_secrets_add_up() -> None:
    both = secrets("secret-a") | secrets("secret-b")
    assert both.mask("secret-a secret-b") == "*** ***"


def test_no_value_is_in_a_repr() -> None:
    found = secrets("hidden")
    assert found.mask("hidden") == "***"
    assert "hidden" not in f"{found!r} {found}"


def test_a_digest_depends_on_the_key_and_on_how_parts_are_cut() -> None:
    digests = {
        keyed_digest(b"a", ["bc", "d"]),
        keyed_digest(b"a", ["b", "cd"]),
        keyed_digest(b"a", ["bcd"]),
        keyed_digest(b"b", ["bc", "d"]),
    }
    assert len(digests) == 4
    assert keyed_digest(b"a", ["bc", b"d"]) in digests


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there"
    key = secret_key(cache)
    assert (len(key), secret_key(cache)) == (32, key)
    assert secret_key(tmp_path / "other") != key
    (path,) = cache.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert secret_key(cache) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_is_replaced(tmp_path: Path) -> None:
    (tmp_path / secret_values.KEY_FILE).write_bytes(b"half")
    key = secret_key(tmp_path)
    assert (len(key), secret_key(tmp_path)) == (32, key)
    assert [path.name for path in tmp_path.iterdir()] == [secret_values.KEY_FILE]


def test_of_several_processes_all_have_the_first_ones_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, all_ready = os.link, threading.Barrier(4)

    def link_together(source: str, target: Path) -> None:
        all_ready.wait(timeout=30)
        link(source, target)

    monkeypatch.setattr(os, "link", link_together)
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(secret_key(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(keys), len(set(keys))) == (4, 1)
    assert [path.name for path in tmp_path.iterdir()] == [secret_values.KEY_FILE]


def test_a_cache_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(UsageError, match=r"secret\.key: cannot be used .*; fix its permissions"):
        secret_key(tmp_path / "cache")
