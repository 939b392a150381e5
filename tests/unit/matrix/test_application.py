"""The sections of an experiment about an application of the user's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runner.errors import SpecError
from runner.matrix import schema
from runner.matrix.address import address
from runner.matrix.application import Application, Facts, Header, Request, Response, Service
from runner.matrix.cell import Experiment, Limits
from runner.matrix.file import load
from runner.matrix.yaml_document import Document
from tests.unit.matrix.matrices import expanded, ids, written

HEAD = """version: 1
experiments:
  shop:
    axes: {python: [3.11, 3.13], patch: [none]}
"""
FULL = """\
    application:
      app: "shop.wsgi:create_app('load')"
      chdir: src
      source: ..
      include: [app/version.py, "static/**"]
      requirements: [uv.lock, plugins/requirements.txt]
      groups: [Dev_Tools]
      extras: database
      install: true
      debian: [git, libmagic1, g++]
      prepare: [make version-file]
      files: {/etc//shop.yml: ./shop.yml}
      environment: {DATABASE_URL: "${URL:-sqlite}", WORKERS: 4, EMPTY: ''}
      env_file: .env
      gunicorn_config: python:config.gunicorn
      before: [flask db upgrade]
      args: --keep-alive 5 --log-config 'a b.ini'
      worker_class: geventwebsocket.gunicorn.workers.GeventWebSocketWorker
      services: {upstream: {companion: grpc}}
    request:
      method: put
      path: /orders?a=1
      headers: {Authorization: {command: python token.py}, Accept: text/html}
      json: {sku: 1, price: 1.50, "2": "2", on: true, none: null, "true": "true", list: [a, -3e2]}
    response: {status: [200, 201], contains: "ok"}
"""
NOWHERE = Document(path=Path("matrix.yaml"), content={})


def shop(directory: Path, lines: str, request: str = "") -> Experiment:
    """The experiment with these lines in its section `application`."""
    section = "".join(f"      {line}\n" for line in lines.splitlines())
    return expanded(directory, f"{HEAD}    application:\n      app: shop\n{section}{request}")


def application(directory: Path, lines: str) -> Application:
    found = shop(directory, lines).application
    assert found is not None
    return found


def test_all_that_an_application_may_say(tmp_path: Path) -> None:
    found = expanded(tmp_path, HEAD + FULL)
    assert found.application == Application(
        app=address("shop.wsgi:create_app('load')"),
        written=NOWHERE,
        chdir="src",
        source="..",
        include=("app/version.py", "static/**"),
        requirements=("uv.lock", "plugins/requirements.txt"),
        groups=("dev-tools",),
        extras=("database",),
        install=True,
        debian=("git", "libmagic1", "g++"),
        prepare=("make version-file",),
        files=(("/etc/shop.yml", "./shop.yml"),),
        environment=(("DATABASE_URL", "${URL:-sqlite}"), ("WORKERS", "4"), ("EMPTY", "")),
        env_files=(".env",),
        gunicorn_config="python:config.gunicorn",
        before=("flask db upgrade",),
        args=("--keep-alive", "5", "--log-config", "a b.ini"),
        worker_class="geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
        services=(Service(name="upstream", companion="grpc", ports=(7802,)),),
    )
    request = found.request
    assert request is not None
    assert (request.method, request.path) == ("PUT", "/orders?a=1")
    assert request.headers == (
        Header(name="Authorization", command="python token.py"),
        Header(name="Accept", value="text/html"),
    )
    assert request.content_type == "application/json"
    assert json.loads(request.body or b"") == {
        "sku": 1, "price": 1.5, "2": "2", "on": True, "none": None, "true": "true",
        "list": ["a", -300.0],
    }  # fmt: skip
    assert found.response == Response(statuses=(200, 201), contains="ok")


def test_what_an_application_need_not_say(tmp_path: Path) -> None:
    found = shop(tmp_path, "")
    assert found.application == Application(app=address("shop"), written=NOWHERE)
    assert (found.request, found.response) == (None, None)
    assert (found.application.source, found.application.gunicorn_config) == (".", None)


def test_an_experiment_without_one_has_none(tmp_path: Path) -> None:
    found = expanded(tmp_path, HEAD)
    assert (found.application, found.request, found.response) == (None, None, None)


def test_cells_are_as_before(tmp_path: Path) -> None:
    assert ids(expanded(tmp_path, HEAD + FULL)) == ids(expanded(tmp_path, HEAD))


def test_no_source_at_all(tmp_path: Path) -> None:
    assert application(tmp_path, "source: none").source is None


def test_extends_merges_the_application_and_replaces_the_request(tmp_path: Path) -> None:
    child = """\
  child:
    extends: shop
    application: {debian: tini, environment: {ONE: 1}}
    request: {body_file: order.xml}
"""
    path = written(tmp_path, HEAD + FULL + child)
    found = load(path).experiment("child")
    assert found.application is not None
    assert found.application.app == address("shop.wsgi:create_app('load')")
    assert found.application.debian == ("tini",)
    assert found.application.environment == (("ONE", "1"),)
    assert found.request == Request(method="POST", body_file="order.xml")


def test_arguments_in_a_list_are_taken_as_they_are(tmp_path: Path) -> None:
    assert application(tmp_path, "args: [--name, a b, 5]").args == ("--name", "a b", "5")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("{}", Request()),
        ("{path: /health}", Request(path="/health")),
        ("{method: HEAD}", Request(method="HEAD")),
        ("{body: ''}", Request(method="POST", body=b"")),
        ("{body: 5 €}", Request(method="POST", body="5 €".encode())),
        ("{body_file: a.xml}", Request(method="POST", body_file="a.xml")),
        (
            "{json: [1, '1', 1.0, 01, 0x1, yes]}",
            Request(
                method="POST",
                body=b'[1, "1", 1.0, "01", "0x1", "yes"]',
                content_type="application/json",
            ),
        ),
        (
            "{json: text}",
            Request(method="POST", body=b'"text"', content_type="application/json"),
        ),
        (
            "{form: {name: a b, n: [1, 2], empty: ''}}",
            Request(
                method="POST",
                body=b"name=a+b&n=1&n=2&empty=",
                content_type="application/x-www-form-urlencoded",
            ),
        ),
        ("{method: delete, headers: {X-A: 1}}",
         Request(method="DELETE", headers=(Header(name="X-A", value="1"),))),
    ],
)  # fmt: skip
def test_requests(tmp_path: Path, request_: str, expected: Request) -> None:
    assert shop(tmp_path, "", f"    request: {request_}\n").request == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("{}", Response()),
        ("{status: 302}", Response(statuses=(302,))),
        ("{status: [200, 304, 200]}", Response(statuses=(200, 304))),
        ("{body: ''}", Response(body="")),
        ("{body: 1.50}", Response(body="1.50")),
        ("{contains: ok}", Response(contains="ok")),
        (r"{matches: '^ok \d+$'}", Response(matches=r"^ok \d+$")),
        ("{json: {a: [1]}}", Response(json='{"a": [1]}')),
    ],
)
def test_responses(tmp_path: Path, response: str, expected: Response) -> None:
    assert shop(tmp_path, "", f"    response: {response}\n").response == expected


def test_a_header_is_in_no_repr(tmp_path: Path) -> None:
    found = shop(tmp_path, "", "    request: {headers: {A: hidden-a, B: {command: hidden-b}}}\n")
    assert "hidden" not in repr(found)


def test_an_error_found_later_has_the_place_of_its_key(tmp_path: Path) -> None:
    found = application(tmp_path, "include: [a, b]")
    with pytest.raises(SpecError, match=r"matrix.yaml:7:20: application.include: not there"):
        found.fail("include", 1, message="not there")


#: Lines of the section `application`, the position of their error, and words in it.
MISTAKES: dict[str, tuple[str, str, *tuple[str, ...]]] = {
    "unknown key": ("requirement: x", "7:7", "did you mean 'requirements'?"),
    "nothing": ("requirements:", "7:20", "empty", "remove the line"),
    "an empty text": ("requirements: ''", "7:21", "nothing is written here", "remove the line"),
    "an empty list": ("before: []", "7:15", "at least one value"),
    "a mapping for a list": ("before: {a: b}", "7:15", "plain text is expected"),
    "nothing in a list": ("debian: [git, null]", "7:21", "plain text is expected"),
    "chdir out of the source": ("chdir: ../b", "7:14", "not in the source", "without `..`"),
    "an absolute glob": ("include: [a, /etc/*]", "7:20", "not in the source", "relative"),
    "a bad group": ("groups: [a, -b]", "7:19", "'-b' is not the name of a group"),
    "a bad Debian package": ("debian: [git, LibMagic]", "7:21", "'LibMagic'", "libmagic1"),
    "neither true nor false": ("install: yes", "7:16", "neither true nor false"),
    "a file's relative path": ("files: {etc/a: a}", "7:22", "absolute path", "/etc/shop.yml"),
    "a file's directory": ("files: {/etc/: a}", "7:22", "absolute path"),
    "a bad variable": ("environment: {1A: x}", "7:25", "'1A'", "no digit first"),
    "a variable without value": ("environment: {A: }", "7:24", "text is expected", "`${NAME}`"),
    "a variable with a NUL": ('environment: {A: "\\0"}', "7:24", "NUL", "remove it"),
    "variables as a list": ("environment: [A=1]", "7:20", "a mapping"),
    "a bad reference": ("environment: {A: '${B-1}'}", "7:24", "'${B-1}'", "`${NAME:-default}`"),
    "no module": ("gunicorn_config: 'python:'", "7:24", "no module", "`python:config.gunicorn`"),
    "an open quote": ("args: \"--name 'a\"", "7:13", "No closing quotation"),
    "gunicorn's own worker": ("worker_class: gevent", "7:21", "package.module.Class", "server:"),
    "an unknown companion": (
        "services: {a: {companion: grcp}}", "7:33", "unknown companion", "did you mean 'grpc'?",
    ),
    "a bad service name": ("services: {a b: {companion: grpc}}", "7:23", "host's name"),
    "include without source": ("source: none\ninclude: a", "6:7", "`include:`", "remove one"),
    "install without source": ("source: none\ninstall: true", "6:7", "`install:`", "remove one"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_an_application(tmp_path: Path, name: str) -> None:
    lines, position, *words = MISTAKES[name]
    assert_refused(tmp_path, position, words, lambda: shop(tmp_path, lines))


#: The same for sections of their own, on line 7.
OTHER_MISTAKES: dict[str, tuple[str, str, *tuple[str, ...]]] = {
    "unknown key": ("request: {methd: GET}", "7:15", "did you mean 'method'?"),
    "unknown key, near an alias": ("request: {jsn: 1}", "7:15", "did you mean 'json'?"),
    "the name in the program": ("request: {json_: 1}", "7:15", "unknown key 'json_'"),
    "unknown method": ("request: {method: PSOT}", "7:23", "did you mean 'POST'?"),
    "a path without slash": ("request: {path: orders}", "7:21", "begins with '/'"),
    "a path with a space": ("request: {path: /a b}", "7:21", "%XX"),
    "a path with a fragment": ("request: {path: '/a#b'}", "7:21", "is not a path"),
    "a bad header": ("request: {headers: {'A:': b}}", "7:31", "not the name of a header"),
    "a header of the client": ("request: {headers: {Host: b}}", "7:31", "Host", "remove it"),
    "a header of two lines": ('request: {headers: {A: "a\\nb"}}', "7:28", "one line"),
    "a header of a list": ("request: {headers: {A: [b]}}", "7:28", "{command: …}"),
    "a header's unknown key": (
        "request: {headers: {A: {comand: b}}}", "7:28", "did you mean 'command'?",
    ),
    "a header without a key": ("request: {headers: {A: {}}}", "7:28", "{command: …}"),
    "a header twice": (
        "request: {headers: {Accept: b, ACCEPT: c}}", "7:14", "given twice", "keep one",
    ),
    "two bodies": ("request: {body: a, json: b}", "7:14", "body and json", "keep one"),
    "a body that is not sent": ("request: {method: GET, body: a}", "7:14", "GET", "e.g. POST"),
    "no body": ("request: {body: }", "7:21", "empty", "remove the line"),
    "JSON in quotes": ("request: {json: '{}'}", "7:21", "text in quotes", "without them"),
    "a number that JSON has not": ("request: {json: [1e999]}", "7:21", "1e999", "in quotes"),
    "a status that is none": ("response: {status: [200, 20]}", "7:30", "'20'", "200 to 599"),
    "no expression": ("response: {matches: '('}", "7:25", "regular expression", "fix it"),
    "two checks": ("response: {body: a, matches: b}", "7:15", "body and matches", "keep one"),
    "nothing contained": ("response: {contains: ''}", "7:26", "nothing is written here"),
    "JSON and a body": ("response: {json: {}, body: ''}", "7:15", "body and json", "keep one"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_MISTAKES)
def test_mistakes_in_a_request_or_response(tmp_path: Path, name: str) -> None:
    line, position, *words = OTHER_MISTAKES[name]
    assert_refused(tmp_path, position, words, lambda: shop(tmp_path, "", f"    {line}\n"))


def test_a_request_that_ab_would_cut_off_needs_a_fixed_rate(tmp_path: Path) -> None:
    """`ab` sends 8,191 bytes up to a body, and leaves out the rest without a word."""
    request = f"    request: {{headers: {{Cookie: {'x' * 8000}}}}}\n"
    words = ["the header Cookie", "ab sends no more than 8,191", "set `load.rate`"]
    assert_refused(tmp_path, "7:14", words, lambda: shop(tmp_path, "", request))
    rate = "    load: {rate: 10, seconds: 5}\n"
    assert shop(tmp_path, "", f"{request}{rate}").request


@pytest.mark.parametrize("key", ["request", "response"])
def test_a_request_needs_an_application(tmp_path: Path, key: str) -> None:
    words = [f"`{key}:` needs an `application:`", "add that"]
    assert_refused(tmp_path, "5:5", words, lambda: expanded(tmp_path, f"{HEAD}    {key}: {{}}\n"))


@pytest.mark.parametrize(
    ("section", "position", "words"),
    [
        ("{}", "5:18", ["`app:` is missing here"]),
        ("shop:app", "5:18", ["a mapping"]),
        ("{app: [a]}", "5:24", ["application.app", "a single value"]),
        ("{app: shop/wsgi.py}", "5:24", ["application.app", "name the module, `shop.wsgi`"]),
    ],
)
def test_an_address_is_checked(
    tmp_path: Path, section: str, position: str, words: list[str]
) -> None:
    text = f"{HEAD}    application: {section}\n"
    assert_refused(tmp_path, position, words, lambda: expanded(tmp_path, text))


def assert_refused(directory: Path, position: str, words: list[str], act: Any) -> None:
    with pytest.raises(SpecError) as caught:
        act()
    message = str(caught.value)
    assert message.startswith(f"{directory / 'matrix.yaml'}:{position}: "), message
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message


def test_the_schema_for_editors_has_every_key() -> None:
    definitions = schema.json_schema()["$defs"]
    assert {"app", "env_file", "services"} <= definitions["ApplicationSection"]["properties"].keys()
    assert {"json", "form"} <= definitions["RequestSection"]["properties"].keys()


# -- the cells of an application -------------------------------------------------------------------

GEVENTS = "axes: {python: 3.11, gevent: [25.9.1, 26.9.0], patch: [none, gevent]}"


def cells(
    directory: Path, lines: str, packages: frozenset[str] = frozenset(), more: str = ""
) -> Experiment:
    """An experiment with an application that brings these packages."""
    text = "version: 1\nexperiments:\n  shop:\n    application: {app: shop}\n"
    text += "".join(f"    {line}\n" for line in (*lines.splitlines(), *more.splitlines()))
    return load(written(directory, text)).experiment(
        None, lambda _: Facts(python="3.9", packages=packages, remarks=("Python 3.9: it says so",))
    )


def test_the_python_is_the_applications_own_unless_it_is_named(tmp_path: Path) -> None:
    own = cells(tmp_path, "server: waitress")
    assert ids(own) == ["py3.9-none"]
    assert own.axes == ("python",)
    assert own.remarks == ("Python 3.9: it says so",)
    named = cells(tmp_path, "axes: {python: [3.11, 3.13]}")
    assert ids(named) == ["py3.11-none", "py3.13-none"]
    assert named.remarks == ()


def test_includes_without_axes_are_all_the_cells(tmp_path: Path) -> None:
    lines = "include: [{python: 3.11, patch: gevent, gevent: 26.9.0}, {patch: none}]"
    found = cells(tmp_path, lines)
    assert ids(found) == ["py3.11-gevent26.9.0-gevent", "py3.9-none"]


def test_an_include_adds_cells_of_the_applications_own_python(tmp_path: Path) -> None:
    found = cells(tmp_path, "include: [{patch: gevent, gevent: 26.9.0}]\naxes: {patch: [none]}")
    assert ids(found) == ["py3.9-none", "py3.9-gevent26.9.0-gevent"]


def test_cells_without_a_patch_are_one_unless_the_application_brings_the_package(
    tmp_path: Path,
) -> None:
    assert ids(cells(tmp_path, GEVENTS)) == [
        "py3.11-none", "py3.11-gevent25.9.1-gevent", "py3.11-gevent26.9.0-gevent"
    ]  # fmt: skip
    assert ids(cells(tmp_path, GEVENTS, frozenset({"flask", "gevent"}))) == [
        "py3.11-gevent25.9.1-none", "py3.11-gevent25.9.1-gevent",
        "py3.11-gevent26.9.0-none", "py3.11-gevent26.9.0-gevent",
    ]  # fmt: skip


def test_what_the_application_brings_need_not_be_named_and_what_it_lacks_must_be(
    tmp_path: Path,
) -> None:
    [cell] = cells(tmp_path, "axes: {patch: [gevent]}", frozenset({"gevent"})).cells
    assert [str(requirement) for requirement in cell.requirements] == ["gevent"]
    with pytest.raises(SpecError, match="patch 'gevent' needs gevent: name its versions"):
        cells(tmp_path, "axes: {patch: [gevent]}")


def test_an_application_has_larger_limits_unless_they_are_named(tmp_path: Path) -> None:
    assert cells(tmp_path, "limits: {load: 60}").limits == Limits(
        startup_s=120, load_s=60, memory_bytes=2 << 30
    )
    assert cells(tmp_path, "limits: {startup: 5, memory: 64m}").limits == Limits(
        startup_s=5, memory_bytes=64 << 20
    )


def test_an_application_is_served_instead_of_a_workload(tmp_path: Path) -> None:
    [cell] = cells(tmp_path, "workload: {name: grpc, seconds: 1}").cells
    assert (cell.workload.name, cell.workload.parameters) == ("application", ())
    assert cell.workload.service_s is None
    with pytest.raises(SpecError, match="served instead of a workload; remove one of them"):
        cells(tmp_path, "axes: {workload: [sleep, cpu]}")


def test_services_are_companions_of_every_cell(tmp_path: Path) -> None:
    found = shop(tmp_path, "services: {db: {companion: postgres}, up: {companion: grpc}}")
    assert {cell.companions for cell in found.cells} == {("postgres", "grpc")}
    assert cells(tmp_path, "").cells[0].companions == ()


def test_cells_that_differ_in_their_server_alone_have_the_same_packages(tmp_path: Path) -> None:
    axes = "{python: [3.11], gevent: [25.9.1], patch: [none, gevent], server: [werkzeug, waitress]}"
    found = shop(tmp_path, "", "")
    assert [str(r) for r in found.cells[0].requirements] == []
    text = HEAD.replace("{python: [3.11, 3.13], patch: [none]}", axes)
    found = expanded(tmp_path, f"{text}    application: {{app: shop}}\n")
    packages = {cell.id: [str(r) for r in cell.requirements] for cell in found.cells}
    assert packages == {
        "py3.11-none-werkzeug": ["waitress"],
        "py3.11-none-waitress-t4": ["waitress"],
        "py3.11-gevent25.9.1-gevent-werkzeug": ["gevent==25.9.1", "waitress"],
        "py3.11-gevent25.9.1-gevent-waitress-t4": ["gevent==25.9.1", "waitress"],
    }
    assert len({cell.environment for cell in found.cells}) == 2


def test_gevent_is_there_only_where_it_is_needed(tmp_path: Path) -> None:
    """That it can be imported at all changes what some applications do."""
    axes = "{python: [3.11], patch: [none], server: [werkzeug, gunicorn-gevent]}"
    text = HEAD.replace("{python: [3.11, 3.13], patch: [none]}", axes)
    application = "    packages: {gevent: 25.9.1}\n    application: {app: shop}\n"
    packages = {
        cell.id: {r.name for r in cell.requirements}
        for cell in expanded(tmp_path, f"{text}{application}").cells
    }
    assert packages["py3.11-none-werkzeug"] == {"gunicorn", "packaging"}
    gevents = next(names for id_, names in packages.items() if "gunicorn-gevent" in id_)
    assert gevents == {"gevent", "gunicorn", "packaging"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            "request: {method: HEAD}\nresponse: {contains: ok}",
            "response.contains: an answer to HEAD has no body; remove the line",
        ),
        (
            "response: {status: [204, 304], json: {a: 1}}",
            "response.json: an answer of status 204 and 304 has no body; remove the line",
        ),
    ],
)
def test_what_is_expected_of_a_body_that_there_cannot_be(
    tmp_path: Path, sections: str, message: str
) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        cells(tmp_path, sections)
    assert cells(tmp_path, "request: {method: HEAD}\nresponse: {body: ''}").request
    assert cells(tmp_path, "response: {status: [200, 204], contains: ok}").response
