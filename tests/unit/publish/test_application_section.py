"""A publication of an application of the user's: what it shows of it, and what it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.commands.publish import publish
from runner.publish.anonymise import public
from runner.publish.facts import application
from runner.store.application_record import ApplicationRecord, BuiltRecord
from runner.store.records import RunRecord
from tests.support.own import ALL, GEVENT, NONE, SLASHES, own_run, recorded, with_effects
from tests.support.published import stored
from tests.support.samples import launch, unavailable

pytestmark = pytest.mark.usefixtures("plain_charts")


def installed(run: RunRecord, **facts: object) -> RunRecord:
    environment = run.environments["py3.11"].model_copy(update=facts)
    return run.model_copy(update={"environments": {"py3.11": environment}})


@pytest.fixture
def published(tmp_path: Path) -> Path:
    record, _ = recorded(tmp_path / "project")
    run = installed(
        own_run(record),
        moved=("greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0",),
        built=(BuiltRecord(name="debts", version="0.5", origin="sdist sha256:00ff"),),
    )
    launches = [with_effects(launch(one), ALL) for one in (NONE, GEVENT)]
    stored(tmp_path / "results", run, launches)
    publish(tmp_path / "results", [], None)
    return tmp_path / "results" / "published" / "shop"


@pytest.mark.parametrize("name", ["index.html", "README.md"])
def test_page_and_readme_have_a_section_on_the_application(published: Path, name: str) -> None:
    text = (published / name).read_text().replace("\\", "")
    assert "Application of" in text or 'id="application"' in text
    for words in (
        "shop.wsgi:create_app",
        "POST /orders",
        "200 or 201",
        "variable SECRET_KEY",
        "file /etc/shop.yml",
        "greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0",
        "debts 0.5 from sdist sha256:00ff",
        "upstream: companion grpc",
        "2 files, 31 bytes, chosen by all files",
    ):
        assert words in text
    assert re.search(r"none(</code>|`) had gevent \(all\) in effect", text)


def test_the_record_is_published_as_it_is_stored(published: Path) -> None:
    content = json.loads((published / "run.json").read_text())["application"]
    assert content["app"] == "shop.wsgi:create_app('load')"
    assert content["secret_names"][0] == "variable API_TOKEN"


def test_evidence_of_a_cell_says_what_is_in_effect(published: Path) -> None:
    page = (published / "index.html").read_text()
    assert "gevent (all), by the application" in page


def test_a_workload_of_this_program_has_no_such_section(tmp_path: Path) -> None:
    stored(tmp_path / "results", own_run(None), [launch(NONE), launch(GEVENT)])
    page = Path(publish(tmp_path / "results", [], None))
    assert 'id="application"' not in page.read_text()
    assert "## Application" not in (page.parent / "README.md").read_text()
    assert [*application(own_run(None))] == []


def test_what_differs_by_environment_names_them() -> None:
    run = installed(own_run(ApplicationRecord(app="shop")), added=("gunicorn==23.0.0",))
    other = run.environments["py3.11"].model_copy(update={"added": (), "python": "3.13"})
    both = {**run.environments, "py3.13": other}
    facts = dict(application(run.model_copy(update={"environments": both})))
    assert facts["added"] == "gunicorn==23.0.0 (py3.11)"
    assert dict(application(run))["added"] == "gunicorn==23.0.0"


def test_no_path_of_the_host_is_published() -> None:
    record = ApplicationRecord(
        app="shop",
        requirements=("/home/me/shop/requirements.txt", "flask==3.1.2"),
        before=("/usr/bin/flask db upgrade",),
    )
    run = installed(
        own_run(record),
        moved=("core directory /home/me/core → 1.0, because of core==1.0",),
        built=(BuiltRecord(name="core", version="1", origin="directory /home/me/shop/core"),),
        contradiction=f"/srv/work/shop/requirements.txt:3 asks for x<2 (https:{SLASHES}host/a/b)",
    )
    reason = "/root/.cache/monkey-matrix/x.tar: no room; ImportError in /site/flask/app.py"
    gone = unavailable(NONE.model_copy(update={"id": "gone"}), reason)
    found = public(run.model_copy(update={"unavailable": (gone,)}))
    assert found.application
    assert found.application.requirements == ("requirements.txt", "flask==3.1.2")
    assert found.application.before == record.before
    [environment] = found.environments.values()
    assert environment.moved == ("core directory core → 1.0, because of core==1.0",)
    assert environment.built[0].origin == "directory core"
    words = f"requirements.txt:3 asks for x<2 (https:{SLASHES}host/a/b)"
    assert environment.contradiction == words
    assert found.unavailable[0].reason == "x.tar: no room; ImportError in /site/flask/app.py"
    assert public(found) == found
