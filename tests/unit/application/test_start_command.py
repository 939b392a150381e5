"""How an application is started, from checkouts in the shapes that public ones have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.application.start_command.found import Found, StartCommand
from runner.application.start_command.read import start_command

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"


def checkout(directory: Path, files: dict[str, str]) -> StartCommand:
    """What is found in a checkout with these files."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return start_command(directory)


def value(found: Found[Any] | None) -> Any:
    return found.value if found else None


def place(found: Found[Any] | None) -> str:
    assert found is not None
    return found.place


def pairs(found: tuple[Found[str], ...]) -> list[tuple[str, str]]:
    return [(one.value, one.place) for one in found]


def test_nothing_is_found_in_an_empty_directory(tmp_path: Path) -> None:
    assert checkout(tmp_path, {}) == StartCommand()


def test_a_procfile_with_all_in_one_line(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Procfile": "# how it is run\nweb: flask db upgrade; flask i18n compile && gunicorn "
            "--workers=3 -k gthread --threads 8 -t60 -b 0.0.0.0:$PORT --keep-alive 5 "
            "--preload --access-logfile - blog:app\nworker: rq worker\n",
            "requirements.txt": "flask\n",
        },
    )
    assert (value(found.app), place(found.app)) == ("blog:app", "Procfile:2")
    assert pairs(found.before) == [
        ("flask db upgrade", "Procfile:2"), ("flask i18n compile", "Procfile:2"),
    ]  # fmt: skip
    assert value(found.worker_class) == "gthread"
    assert (value(found.workers), value(found.threads), value(found.timeout)) == (3, 8, 60)
    assert value(found.preload) is True
    assert value(found.arguments) == ("--keep-alive", "5")
    assert found.port is None
    assert pairs(found.requirements) == [("requirements.txt", "requirements.txt")]


DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS base
ENV APP_HOME=/srv/shop \\
    FLASK_APP="shop.web:create_app()"
WORKDIR $APP_HOME/server
FROM base AS builder
RUN apt-get update && apt-get install -y --no-install-recommends build-essential
COPY server/requirements requirements
RUN pip install --no-cache-dir -r requirements/live.txt
FROM base
RUN apt-get update \\
    # for the thumbnails
    && apt-get install -y --no-install-recommends -t bookworm-backports \\
      libmagic1 \\
      git=1:2.* curl $MORE \\
    && rm -rf /var/lib/apt/lists/*
COPY server/ /srv/shop/server
COPY deploy/start.sh /usr/local/bin/
EXPOSE 8080/tcp 9090
"""


@pytest.mark.parametrize(
    ("last", "line"),
    [
        ('CMD ["gunicorn", "--chdir", "src", "--bind", ":9000", "shop.wsgi"]', 21),
        ("CMD exec gunicorn --chdir src \\\n  -b :9000 shop.wsgi", 21),
        ('CMD ["sh", "-c", "cd src && gunicorn -b :9000 shop.wsgi"]', 21),
        ('ENTRYPOINT ["tini", "--", "gunicorn"]\nCMD ["--chdir=src", "-b:9000", "shop.wsgi"]', 22),
        ("WORKDIR src\nCMD python -m gunicorn -b :9000 shop.wsgi", 22),
        ("ENV GUNICORN_CMD_ARGS='-b :9000 --chdir src'\nCMD gunicorn shop.wsgi", 22),
    ],
)  # fmt: skip
def test_a_dockerfile_in_stages(tmp_path: Path, last: str, line: int) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": f"{DOCKERFILE}{last}\n",
            "server/requirements/live.txt": "flask\n",
            "server/src/shop/wsgi.py": FLASK,
            "poetry.lock": "",
        },
    )
    assert (value(found.app), place(found.app)) == ("shop.wsgi", f"Dockerfile:{line}")
    assert value(found.chdir) == "server/src"
    assert value(found.port) == 9000
    assert found.flask_app == Found(value="shop.web:create_app()", place="Dockerfile:4")
    assert pairs(found.debian) == [
        ("libmagic1", "Dockerfile:14"), ("git", "Dockerfile:14"), ("curl", "Dockerfile:14"),
    ]  # fmt: skip
    assert pairs(found.requirements) == [("server/requirements/live.txt", "Dockerfile:10")]
    assert pairs(found.other_requirements) == [("poetry.lock", "poetry.lock")]


def test_the_workdir_tells_the_directory(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {"Dockerfile": DOCKERFILE + "CMD gunicorn shop:app\n", "server/shop.py": FLASK},
    )
    assert found.chdir == Found(value="server", place="Dockerfile:6")
    assert found.port == Found(value=8080, place="Dockerfile:20")


def test_a_script_that_takes_what_to_do_from_its_arguments(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": "FROM python:3.13\nCOPY . /app\nWORKDIR /app\n"
            'ENTRYPOINT ["/app/bin/entry"]\nCMD ["server"]\n',
            "bin/entry": """\
#!/bin/bash
set -e
create() {
  exec ./manage.py database create
}
function server {
  ./manage.py check
  # how many requests before a worker is replaced
  MAX=${MAX_REQUESTS:-1000}
  exec /usr/local/bin/gunicorn -b 0.0.0.0:5000 --name shop -w${WORKERS:-4} shop.wsgi:app \\
    --max-requests $MAX --max-requests-jitter "${JITTER:-$((MAX / 10))}" 2>&1
}
case "$1" in
  server) shift; server ;;
  *) exec "$@" ;;
esac
""",
        },
    )
    assert (value(found.app), place(found.app)) == ("shop.wsgi:app", "bin/entry:10")
    assert value(found.workers) == 4
    assert value(found.arguments) == ("--max-requests", "1000")
    assert pairs(found.before) == [("./manage.py check", "bin/entry:7")]


def test_a_chain_of_conditions(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": "FROM python:3.12\nWORKDIR /app/api\nCOPY . /app/api/\n"
            "COPY docker/entrypoint.sh /entrypoint.sh\n"
            'ENTRYPOINT ["/bin/bash", "/entrypoint.sh"]\n',
            "docker/entrypoint.sh": """\
if [[ "${MIGRATE}" == "true" ]]; then
  echo "flask db stamp is not needed"
  flask upgrade-db
fi
if [[ "${MODE}" == "worker" ]]; then
  flask prepare-worker
  exec celery -A app.celery worker
else
  if [[ "${DEBUG}" == "true" ]]; then
    exec flask run --host=0.0.0.0
  else
    exec gunicorn \\
      --bind "${ADDRESS:-0.0.0.0}:${PORT:-5001}" \\
      --workers ${AMOUNT:-1} \\
      --worker-class ${CLASS:-gevent} \\
      --worker-connections ${CONNECTIONS:-10} \\
      --timeout "${UNKNOWN}" \\
      app:app
  fi
fi
""",
            "gunicorn.conf.py": "import os\n\ntimeout = int(os.getenv('T', '200'))\nworkers = 9\n"
            "bind = [':1']\n\ndef post_fork(server, worker):\n    pass\n",
        },
    )
    assert (value(found.app), place(found.app)) == ("app:app", "docker/entrypoint.sh:12")
    assert pairs(found.before) == [("flask upgrade-db", "docker/entrypoint.sh:3")]
    assert (value(found.worker_class), value(found.workers)) == ("gevent", 1)
    assert found.config == Found(value="gunicorn.conf.py", place="gunicorn.conf.py")
    assert found.timeout == Found(value=200, place="gunicorn.conf.py:3")
    assert value(found.port) == 5001
    assert value(found.arguments) == ("--worker-connections", "10")


def test_the_branch_of_a_case(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": "FROM python:3.13\nCOPY . /app\nWORKDIR /app\n"
            'ENTRYPOINT ["./entrypoint.sh"]\n',
            "entrypoint.sh": """\
case $1 in
  worker|beat) flask prepare; exec celery ;;
  api)
    flask db upgrade || exit 1
    exec ddtrace-run gunicorn -c gunicorn_config.py application ;;
esac
""",
            "gunicorn_config.py": "worker_class = 'gthread'\nthreads = 2\nworkers: int = 4\n",
        },
    )
    assert (value(found.app), place(found.app)) == ("application", "entrypoint.sh:5")
    assert pairs(found.before) == [("flask db upgrade", "entrypoint.sh:4")]
    assert found.config == Found(value="gunicorn_config.py", place="entrypoint.sh:5")
    assert found.worker_class == Found(value="gthread", place="gunicorn_config.py:1")
    assert (value(found.threads), value(found.workers)) == (2, 4)


def test_a_procfile_that_names_a_script(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Procfile": "web: bin/run.sh\n",
            "bin/run.sh": "cd web\npython cli.py startup\nalembic upgrade head\n"
            "python manage.py runserver &\npip install gunicorn\n"
            "gunicorn --worker-tmp-dir /dev/shm 'rest:create_app()'\n",
            "web/rest.py": "",
            "web/gunicorn.conf.py": "workers = 9\npreload_app = True\n",
        },
    )
    assert (value(found.app), place(found.app)) == ("rest:create_app()", "bin/run.sh:6")
    assert value(found.chdir) == "web"
    assert pairs(found.before) == [
        ("python cli.py startup", "bin/run.sh:2"), ("alembic upgrade head", "bin/run.sh:3"),
    ]  # fmt: skip
    assert found.preload == Found(value=True, place="web/gunicorn.conf.py:2")
    assert found.config == Found(value="gunicorn.conf.py", place="web/gunicorn.conf.py")


def test_a_manifest_that_names_a_script(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "manifest.yml": "applications:\n  - name: api\n    processes:\n      - type: web\n"
            '        command: "./scripts/web.sh"\n',
            "scripts/web.sh": "newrelic-admin run-program gunicorn -c python:conf.live entry\n",
            "conf/live.py": "wsgi_app = 'other:app'\nchdir = 'src'\n",
            "src/entry.py": FLASK,
        },
    )
    assert (value(found.app), place(found.app)) == ("entry", "scripts/web.sh:1")
    assert value(found.config) == "python:conf.live"
    assert found.chdir == Found(value="src", place="conf/live.py:2")


def test_a_script_that_takes_the_application_from_the_image(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": 'FROM python:3.11\nENV FLASK_APP="hub.app:create_app()"\n'
            'COPY --chmod=755 ./docker/ /app/docker/\nCMD ["/app/docker/serve.sh"]\n',
            "docker/serve.sh": 'HYPHEN_SYMBOL="-"\ngunicorn --bind "0:${PORT:-8088}" \\\n'
            '  --access-logfile "${LOG:-$HYPHEN_SYMBOL}" "${FLASK_APP}"\n',
        },
    )
    assert (value(found.app), place(found.app)) == ("hub.app:create_app()", "docker/serve.sh:2")
    assert value(found.port) == 8088


def test_a_script_that_is_not_there_is_no_end(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Procfile": "web: ./gone.sh\n",
            "Dockerfile": "FROM python:3.12\nWORKDIR /app\nCOPY . .\n"
            'CMD ["sh", "-c", "gunicorn -c gunicorn_config.py application"]\n',
        },
    )
    assert (value(found.app), place(found.app)) == ("application", "Dockerfile:4")
    assert found.config is None


def test_what_a_script_writes_is_not_what_it_runs(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": 'FROM python:3.11\nCOPY . /srv\nCMD ["/srv/conf/entrypoint.sh"]\n',
            "conf/entrypoint.sh": "cat <<EOF > /etc/some.cfg\ngunicorn wrong:app\nflask db x\nEOF\n"
            "# gunicorn comment:app\necho gunicorn said:app\npython -m flask db upgrade\n"
            'if ! command -v gunicorn; then exit; fi\nexec gunicorn money.wsgi:application "$@"\n',
        },
    )
    assert (value(found.app), place(found.app)) == (
        "money.wsgi:application",
        "conf/entrypoint.sh:9",
    )
    assert pairs(found.before) == [("flask db upgrade", "conf/entrypoint.sh:7")]


@pytest.mark.parametrize("command", ['CMD ["gunicorn", "shop:app"]', "CMD gunicorn shop:app"])
def test_an_entry_point_that_prepares(tmp_path: Path, command: str) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": "FROM python:3.11\nCOPY start /usr/local/bin/start\n"
            f'ENTRYPOINT ["start"]\n{command}\n',
            "start": 'while ! flask db upgrade; do sleep 1; done\nexec "$@"\n',
        },
    )
    assert value(found.app) == "shop:app"
    assert pairs(found.before) == [("flask db upgrade", "start:1")]


def test_a_command_with_an_unknown_part_is_kept_as_written(tmp_path: Path) -> None:
    found = checkout(
        tmp_path, {"Procfile": "web: flask seed \"$ADMIN\" 'a b' ; gunicorn --threads $N a:b\n"}
    )
    assert [one.value for one in found.before] == ["flask seed \"$ADMIN\" 'a b'"]
    assert (value(found.app), found.threads) == ("a:b", None)


# -- without gunicorn ------------------------------------------------------------------------------


def test_gunicorn_without_an_application_takes_that_of_its_configuration(tmp_path: Path) -> None:
    files = {"Procfile": "web: gunicorn\n", "gunicorn.conf.py": "wsgi_app = 'shop:app'\n"}
    assert checkout(tmp_path, files).app == Found(value="shop:app", place="gunicorn.conf.py:1")


@pytest.mark.parametrize(
    ("files", "app", "where"),
    [
        ({"Procfile": "web: gunicorn $APP\n", "wsgi.py": FLASK}, "wsgi:app", "wsgi.py:3"),
        ({"Procfile": "web: flask --app shop run\n", "shop.py": FLASK}, "shop:app", "Procfile:1"),
        ({"Procfile": "web: export FLASK_APP=shop.py; flask run\n", "shop.py": FLASK},
         "shop:app", "Procfile:1"),
        ({"Dockerfile": 'FROM a\nCMD ["python", "serve.py"]\n', "serve.py": FLASK},
         "serve:app", "Dockerfile:2"),
        ({".flaskenv": "\n# Flask\nFLASK_APP=shop\n", "shop/__init__.py": "def create_app(): 1\n"},
         "shop:create_app()", ".flaskenv:3"),
        ({".env": "A=1\nFLASK_APP='shop:make'\n", "shop.py": "def make(a=1): pass\n"},
         "shop:make()", ".env:2"),
        ({"Dockerfile": "FROM a\nENV FLASK_APP shop.wsgi:api\n", "shop/wsgi.py": "api = 1\n"},
         "shop.wsgi:api", "Dockerfile:2"),
        ({"pyproject.toml": "[tool.flask]\napp = 'shop'\n", "shop.py": FLASK},
         "shop:app", "pyproject.toml:2"),
        ({"pyproject.toml": "[project.scripts]\nshop = 'shop.web:main'\n", "shop/web.py": FLASK},
         "shop.web:app", "pyproject.toml:2"),
        ({"pyproject.toml": "[tool.poetry.scripts]\nx = 'shop.web:main'\n", "shop/web.py": FLASK},
         "shop.web:app", "pyproject.toml:2"),
        ({"wsgi.py": "from shop import app as application\n", "app.py": FLASK},
         "wsgi:application", "wsgi.py:1"),
        ({"app.py": "import flask\ntry:\n    api: object = flask.Flask('a')\nfinally:\n    pass\n"},
         "app:api", "app.py:3"),
        ({"main.py": "from shop import create_app\nserver = create_app('x')\n"},
         "main:server", "main.py:2"),
        ({"application.py": "def create_app(config=None, *, debug=False):\n    pass\n"},
         "application:create_app()", "application.py:1"),
        ({"shop/__init__.py": "def create_app(): pass\n", "tests/__init__.py": FLASK},
         "shop:create_app()", "shop/__init__.py:1"),
        ({"shop/__init__.py": "from .app import app\n", "shop/app.py": FLASK},
         "shop.app:app", "shop/app.py:3"),
    ],
)  # fmt: skip
def test_the_application_is_found(
    tmp_path: Path, files: dict[str, str], app: str, where: str
) -> None:
    found = checkout(tmp_path, files)
    assert (value(found.app), place(found.app)) == (app, where)
    assert found.chdir is None


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": "def create_app(config): pass\n"},
        {"app.py": "def create_app(*, config): pass\n"},
        {"app.py": "if __name__ == '__main__':\n    app = Flask(__name__)\n"},
        {"app.py": "app = Flask(\n"},
        {"app.py": "app = other()\n"},
        {"app.py": "app = Flask(__name__)\n\0"},
        {"tests/__init__.py": FLASK},
        {".env": "FLASK_APP=shop\n"},
        {"Procfile": "worker: gunicorn a:b\n"},
    ],
)
def test_what_is_no_application(tmp_path: Path, files: dict[str, str]) -> None:
    assert checkout(tmp_path, files).app is None


def test_a_package_in_src(tmp_path: Path) -> None:
    found = checkout(tmp_path, {"src/shop/__init__.py": "", "src/shop/wsgi.py": FLASK})
    assert found.app == Found(value="shop.wsgi:app", place="src/shop/wsgi.py:3")
    assert value(found.chdir) == "src"


# -- requirements ----------------------------------------------------------------------------------

NAMES = (
    "uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml", "requirements.txt",
    "requirements-live.txt", "pyproject.toml",
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_the_best_file_of_requirements(tmp_path: Path, number: int) -> None:
    found = checkout(
        tmp_path, {**dict.fromkeys(NAMES[number:], ""), "requirements-dev.txt": "", "dev.txt": ""}
    )
    assert pairs(found.requirements) == [(NAMES[number], NAMES[number])]
    assert [one.value for one in found.other_requirements] == [*NAMES[number + 1 :]]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("pip install -r a.txt --requirement=b/c.txt -rgone.txt", ["a.txt", "b/c.txt"]),
        ("python -m pip install -r $NAME gunicorn", ["uv.lock"]),
        ("uv pip install --requirements a.txt", ["a.txt"]),
        ("poetry install --no-root", ["poetry.lock"]),
        ("pip install poetry && poetry export", ["poetry.lock"]),
        ("grep -r a.txt install", ["uv.lock"]),
    ],
)
def test_what_the_dockerfile_installs_from(tmp_path: Path, run: str, expected: list[str]) -> None:
    files = dict.fromkeys(["uv.lock", "poetry.lock", "a.txt", "b/c.txt"], "")
    found = checkout(
        tmp_path, {**files, "Dockerfile": f"FROM a\nWORKDIR /x\nCOPY . .\nRUN {run}\n"}
    )
    assert [one.value for one in found.requirements] == expected


def test_nothing_outside_of_the_checkout_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.sh").write_text("gunicorn secret:app\n")
    below = tmp_path / "checkout"
    below.mkdir()
    (below / "link.sh").symlink_to(tmp_path / "secret.sh")
    for script in ("../secret.sh", "link.sh", str(tmp_path / "secret.sh")):
        assert checkout(below, {"Procfile": f"web: sh {script}\n"}).app is None


@pytest.mark.parametrize(
    "text",
    ["web: 'open\n", "web: $(", "web: ${a", "web: case x in", "web: }; fi; gunicorn", "web: <<"],
)
def test_texts_that_are_no_shell(tmp_path: Path, text: str) -> None:
    assert checkout(tmp_path, {"Procfile": text}).app is None


@pytest.mark.parametrize("text", ["", "FROM", "CMD [", 'CMD ["a", 1]', "ENV\nCOPY\nARG\nRUN <<A\n"])
def test_texts_that_are_no_dockerfile(tmp_path: Path, text: str) -> None:
    assert checkout(tmp_path, {"Dockerfile": text}) == StartCommand()


def test_a_dockerfile_with_texts_below_its_instructions(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {"Dockerfile": "FROM a\nRUN <<EOF\napt-get install -y \\\n  git\nEOF\nCMD gunicorn a:b\n"},
    )
    assert [one.value for one in found.debian] == ["git"]
    assert (value(found.app), place(found.app)) == ("a:b", "Dockerfile:6")


def test_a_command_that_is_put_together(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {
            "Dockerfile": 'FROM a\nADD . /src\nRUN cp /src/ops/run.sh /run.sh\nCMD ["/run.sh"]\n',
            "conf/run.sh": 'cmd="exec gunicorn money.wsgi \\\n  -b :$PORT -w 2 $@"\n'
            'if [ $UID -ne 0 ]; then\n  cmd="su - money -c \'$cmd\'"\nfi\neval "$cmd"\n',
        },
    )
    assert (value(found.app), place(found.app)) == ("money.wsgi", "conf/run.sh:6")
    assert value(found.workers) == 2


def test_a_configuration_in_a_directory_that_is_not_known(tmp_path: Path) -> None:
    files = {"Procfile": "web: gunicorn -c ${HOME}/g.py a:b\n", "g.py": "workers = 2\n"}
    assert checkout(tmp_path, files).workers == Found(value=2, place="g.py:1")


def test_a_stage_for_tests_is_not_what_serves(tmp_path: Path) -> None:
    dockerfile = """\
FROM python:3.13 AS base
RUN apt-get install -y libcurl4
FROM base AS live
CMD ["gunicorn", "a:live"]
FROM live AS test
RUN apt-get install -y postgresql
CMD ["gunicorn", "a:test"]
"""
    found = checkout(tmp_path, {"ci/Dockerfile": dockerfile})
    assert found.app == Found(value="a:live", place="ci/Dockerfile:4")
    assert [one.value for one in found.debian] == ["libcurl4"]


def test_the_workdir_is_no_directory_of_the_checkout_by_its_name_alone(tmp_path: Path) -> None:
    found = checkout(
        tmp_path,
        {"Dockerfile": "FROM a\nWORKDIR /home/app\nCMD gunicorn a:b\n", "app/__init__.py": ""},
    )
    assert found.chdir is None


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("pip install .", ()),
        ("pip install --no-cache-dir -e '/src[database, mail]'", ("database", "mail")),
        ("uv pip install --system -e ./[live]", ("live",)),
        ("cp -r . /x && pip install gunicorn", None),
        ("pip install -t /src -r requirements.txt flask", None),
        ("pip install ./plugins", None),
    ],
)
def test_a_dockerfile_that_installs_the_project_itself(
    tmp_path: Path, run: str, expected: tuple[str, ...] | None
) -> None:
    files = {"setup.py": "", "plugins/setup.py": ""}
    found = checkout(
        tmp_path, {**files, "Dockerfile": f"FROM a\nADD . /src\nWORKDIR /src\nRUN {run}\n"}
    )
    assert value(found.install) == expected
