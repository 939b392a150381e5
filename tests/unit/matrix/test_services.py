"""What an application talks to: `services:` of the matrix file, also from compose files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SpecError
from runner.matrix import plugins, schema
from runner.matrix.application import Healthcheck, Service
from runner.matrix.known_images import KNOWN, known_image, known_packages, user_of
from runner.matrix.service_schema import IGNORED, INSTEAD
from tests.unit.matrix.matrices import expanded

HEAD = """version: 1
experiments:
  shop:
    axes: {python: 3.11, patch: [none]}
    application:
      app: shop
      services:
"""


def services(directory: Path, lines: str) -> tuple[Service, ...]:
    """The services of these lines; each stands from line 8 and column 9 on."""
    text = HEAD + "".join(f"        {line}\n" for line in lines.splitlines())
    found = expanded(directory, text)
    assert found.application is not None
    assert {cell.services for cell in found.cells} == {found.application.services}
    return found.application.services


def service(directory: Path, lines: str) -> Service:
    [found] = services(directory, lines)
    return found


def composed(directory: Path, compose: str, lines: str = "db: {from: compose.yaml}") -> Service:
    """The one service of these lines beside a compose file."""
    (directory / "compose.yaml").write_text(compose)
    return service(directory, lines)


def refused(directory: Path, lines: str, place: str, *words: str) -> None:
    with pytest.raises(SpecError) as caught:
        services(directory, lines)
    message = str(caught.value)
    assert message.startswith(f"{directory / place}: "), message
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message


def test_all_that_a_service_may_say(tmp_path: Path) -> None:
    found = service(
        tmp_path,
        """\
db:
  image: registry.example/postgres:17@sha256:abc
  entrypoint: docker-entrypoint.sh
  command: [postgres, -c, fsync=off]
  environment: {POSTGRES_PASSWORD: "${PASSWORD:-secret}", POSTGRES_DB: shop}
  healthcheck: {test: [CMD, pg_isready, -U, shop], interval: 1m30s, timeout: 500ms,
                retries: 30, start_period: 0.5h}
  user: postgres
  tmpfs: [/run, "/tmp:size=64m"]
  volumes: ["./schema.sql:/docker-entrypoint-initdb.d/1.sql:ro"]
""",
    )
    assert found == Service(
        name="db",
        image="registry.example/postgres:17@sha256:abc",
        entrypoint=("docker-entrypoint.sh",),
        command=("postgres", "-c", "fsync=off"),
        environment=(("POSTGRES_PASSWORD", "${PASSWORD:-secret}"), ("POSTGRES_DB", "shop")),
        user="postgres",
        tmpfs=("/run", "/tmp:size=64m"),
        initial=(("/docker-entrypoint-initdb.d/1.sql", "schema.sql"),),
        healthcheck=Healthcheck(
            command=("pg_isready", "-U", "shop"),
            interval_s=90,
            timeout_s=0.5,
            retries=30,
            start_period_s=1800,
        ),
        ports=(5432,),
    )
    assert found.healthcheck is not None
    assert found.healthcheck.within_s == 1800 + 30 * 90


def test_a_program_of_debian(tmp_path: Path) -> None:
    found = service(tmp_path, "cache: {debian: redis-server, command: \"redis-server --save ''\"}")
    assert found.debian == ("redis-server",)
    assert found.command == ("/bin/sh", "-c", "redis-server --save ''")
    assert found.ports == (6379,)
    assert found.healthcheck is not None
    assert "redis-cli -h 127.0.0.1 -p 6379 ping" in found.healthcheck.command[-1]


def test_only_companions_are_companions_of_a_cell(tmp_path: Path) -> None:
    text = "        up: {companion: grpc}\n        db: {image: postgres}\n"
    assert {cell.companions for cell in expanded(tmp_path, HEAD + text).cells} == {("grpc",)}
    assert plugins.companions()["grpc"].port == 7802


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("redis-cli ping || exit 1", ("/bin/sh", "-c", "redis-cli ping || exit 1")),
        ("[CMD-SHELL, 'redis-cli ping']", ("/bin/sh", "-c", "redis-cli ping")),
        ("[CMD, redis-cli, ping]", ("redis-cli", "ping")),
    ],
)
def test_checks(tmp_path: Path, written: str, expected: tuple[str, ...]) -> None:
    found = service(tmp_path, f"db: {{image: redis, healthcheck: {{test: {written}}}}}")
    assert found.healthcheck == Healthcheck(command=expected)


@pytest.mark.parametrize("written", ["{test: [NONE]}", "{disable: true}"])
def test_a_service_that_is_not_asked(tmp_path: Path, written: str) -> None:
    assert service(tmp_path, f"db: {{image: some, healthcheck: {written}}}").healthcheck is None


def test_a_check_without_a_test_is_the_default_one_at_its_times(tmp_path: Path) -> None:
    found = service(tmp_path, "db: {image: mariadb, healthcheck: {retries: 5}}").healthcheck
    assert found is not None
    assert (found.retries, found.interval_s) == (5, 30)
    assert found.command[-1].startswith("mariadb-admin ping -h 127.0.0.1 -P 3306")


@pytest.mark.parametrize(
    ("lines", "port"),
    [
        ("image: memcached:1", 11211),
        ("image: docker.elastic.co/elasticsearch/elasticsearch:8.1", 9200),
        ("image: some, expose: ['8125', 81]", 8125),
        ("image: some, ports: ['127.0.0.1:8080:80/tcp']", 80),
        ("image: some, ports: ['9000-9001:9000-9001', {target: 7000}]", 7000),
        ("image: redis, command: redis-server --port 6380", 6380),
        ("image: postgres, command: postgres -c port=5433", 5433),
        ("image: postgres, command: [postgres, -p, 5434]", 5434),
        ("image: postgres, command: [-p5435]", 5435),
        ("image: postgres, environment: {PGPORT: 5436}", 5436),
        ("image: '${IMAGE:-mysql}:8'", 3306),
        ("debian: postgresql-17, command: postgres", 5432),
    ],
)  # fmt: skip
def test_the_port_that_is_known(tmp_path: Path, lines: str, port: int) -> None:
    found = service(tmp_path, f"db: {{{lines}}}")
    assert found.ports[0] == port
    check = found.healthcheck
    assert check is not None
    assert check.port == port or str(port) in check.command[-1]


def test_a_service_without_a_default_check_is_asked_by_a_connection(tmp_path: Path) -> None:
    check = service(tmp_path, "db: {image: mongo}").healthcheck
    assert check == Healthcheck(port=27017, interval_s=1, timeout_s=10, retries=60)


def test_what_is_known_is_known_once() -> None:
    assert len({image for known in KNOWN for image in known.images}) == sum(
        len(known.images) for known in KNOWN
    )
    assert known_image("localhost:5000/bitnami/postgresql:17.2") == KNOWN[0]
    assert known_image("ghcr.io/postgres/other") is None
    assert known_packages(["tini", "mariadb-server-11.8"]) == known_image("mariadb")


def test_words_without_effect_are_listed(tmp_path: Path) -> None:
    words = "restart: always, networks: [a], x-note: 1, container_name: db"
    text = f"        db: {{image: redis, {words}}}\n"
    [remark] = expanded(tmp_path, HEAD + text).remarks[-1:]
    assert remark == (
        f"{tmp_path / 'matrix.yaml'}:8:9: service 'db': without effect: `restart`, `networks`, "
        "`x-note` and `container_name`"
    )


def test_data_are_new_in_each_launch(tmp_path: Path) -> None:
    found = service(
        tmp_path,
        "db: {image: postgres, volumes: ['data:/var/lib/postgresql/data', '/cache', "
        "'./here:/var/lib/postgresql/data', {type: volume, source: a, target: /a}]}",
    )
    assert found.initial == ()
    assert "its data are new in each launch" in found.remarks[0]
    assert "the volume /cache" in found.remarks[0]


#: Lines of `services`, the position of their error, and words in it.
MISTAKES: dict[str, tuple[str, str, *tuple[str, ...]]] = {
    "nothing": ("db: {}", "8:13", "image, debian, companion or from", "add one"),
    "two kinds": ("db: {image: a, debian: git}", "8:13", "image and debian", "keep one"),
    "more than a companion": (
        "up: {companion: grpc, command: a}", "8:13", "`command:`", "remove one of them",
    ),
    "volumes of a package": ("db: {debian: git, command: b, volumes: [a]}", "8:13", "`volumes:`"),
    "a package without command": ("db: {debian: git}", "8:13", "`command:` is missing"),
    "a misspelt word": ("db: {image: a, comand: b}", "8:24", "did you mean 'command'?"),
    "a word that could matter": (
        "db: {image: a, ulimits: b}", "8:24", "unknown key 'ulimits'", "could matter",
    ),
    "a misspelt word of a check": (
        "db: {image: a, healthcheck: {tst: b}}", "8:38", "did you mean 'test'?",
    ),
    "no image": ("db: {image: a b}", "8:21", "not the name of an image"),
    "no duration": (
        "db: {image: redis, healthcheck: {interval: 5}}", "8:52", "'5'", "500ms, 10s or 1m30s",
    ),
    "no time": ("db: {image: redis, healthcheck: {interval: 0s}}", "8:52", "no time at all"),
    "no check": ("db: {image: a, healthcheck: {test: [RUN, b]}}", "8:44", "[CMD-SHELL, text]"),
    "an empty check": ("db: {image: a, healthcheck: {test: }}", "8:44", "empty"),
    "an open quote": ("db: {image: a, command: \"a 'b\"}", "8:33", "No closing quotation"),
    "no words": ("db: {image: a, command: []}", "8:33", "a command is a text"),
    "two signs": ("db: {image: a, command: 'a $$B'}", "8:33", "write `$B`"),
    "a bad reference": ("db: {image: a, command: 'a ${B-c}'}", "8:33", "`${NAME:-default}`"),
    "a bad variable": ("db: {image: a, environment: [1A=b]}", "8:37", "'1A'"),
    "no variable": ("db: {image: a, environment: {A: }}", "8:41", "text is expected"),
    "a relative tmpfs": ("db: {image: a, tmpfs: [tmp]}", "8:32", "absolute path"),
    "no way to ask": (
        "db: {image: some/one}", "8:9", "whether it is ready", "`healthcheck:`", "`expose: [PORT]`",
    ),
    "a file of the host": (
        "db: {image: redis, volumes: ['./a:/etc/redis.conf']}", "8:38",
        "/docker-entrypoint-initdb.d alone", "'/etc/redis.conf'",
    ),
    "initial files of a volume": (
        "db: {image: redis, volumes: ['a:/docker-entrypoint-initdb.d']}", "8:38", "alone",
    ),
    "no volume": ("db: {image: redis, volumes: ['./a:b']}", "8:38", "`./file:/path`"),
    "a service that is not there": (
        "db: {image: redis, depends_on: [queue]}", "8:40", "needs 'queue'", "add that",
    ),
    "one port": (
        "a: {image: redis}\nb: {debian: valkey-server, command: a}", "9:9",
        "service 'b' wants port 6379, and so does service 'a'", "keep one",
    ),
    "one companion": (
        "a: {companion: grpc}\nb: {companion: grpc}", "9:9", "port 7802", "service 'a'",
    ),
    "the server's port": (
        "a: {image: some, expose: [7779]}", "8:9", "7779", "the server that is measured",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_services(tmp_path: Path, name: str) -> None:
    lines, position, *words = MISTAKES[name]
    refused(tmp_path, lines, f"matrix.yaml:{position}", *words)


@pytest.mark.parametrize("word", INSTEAD)
def test_words_of_compose_that_could_matter_say_what_to_write(tmp_path: Path, word: str) -> None:
    refused(
        tmp_path, f"db: {{image: a, {word}: b}}", "matrix.yaml:8:24", f"`{word}:` is not",
        INSTEAD[word],
    )  # fmt: skip


def test_another_port_is_no_clash(tmp_path: Path) -> None:
    found = services(
        tmp_path, "a: {image: redis}\nb: {image: redis, command: redis-server --port 6380}"
    )
    assert [one.ports for one in found] == [(6379,), (6380,)]


# -- compose ---------------------------------------------------------------------------------------

COMPOSE = """\
x-common: &common
  restart: always
  image: postgres:16
  environment: {A: common}
x-logging: &logging {logging: {driver: $none}, image: other}
services:
  web:
    build: .
    depends_on: [db]
  db:
    <<: [*common, *logging]
    image: "postgres:${TAG:-17}"
    environment:
      - POSTGRES_PASSWORD=$PASSWORD
      - POSTGRES_USER
      - PRICE=5$$
    command: postgres -c fsync=off
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER -d $${DB}"]
      interval: 2s
    ports: ["5432:5432"]
    volumes: [data:/var/lib/postgresql/data, "./sql:/docker-entrypoint-initdb.d"]
  queue: {image: rabbitmq, environment: {A: , B: "${B:?give B}"}, depends_on: {db: {}}}
  old: {extends: {service: db}}
  built: {build: ., image: redis}
  own: {image: redis, volumes: ["./redis.conf:/etc/redis.conf"]}
  bad: {image: redis, command: "a ${B:+c}"}
volumes: {data: }
"""


def test_a_service_from_a_compose_file(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "compose.yaml").write_text(COMPOSE)
    found = service(tmp_path, "db: {from: deploy/compose.yaml}")
    assert found == Service(
        name="db",
        image="postgres:${TAG:-17}",
        command=("postgres", "-c", "fsync=off"),
        environment=(
            ("POSTGRES_PASSWORD", "${PASSWORD}"),
            ("POSTGRES_USER", "${POSTGRES_USER}"),
            ("PRICE", "5$"),
        ),
        initial=(("/docker-entrypoint-initdb.d", "deploy/sql"),),
        healthcheck=Healthcheck(
            command=("/bin/sh", "-c", "pg_isready -U $POSTGRES_USER -d $${DB}"), interval_s=2
        ),
        ports=(5432,),
    )
    ignored, data = found.remarks
    where = f"{tmp_path / 'deploy/compose.yaml'}:10:3: service 'db': "
    assert ignored == f"{where}without effect: `ports`, `restart` and `logging`"
    assert data == (
        f"{where}its data are new in each launch (without the volume /var/lib/postgresql/data)"
    )


def test_a_service_of_another_name_and_what_the_matrix_file_changes(tmp_path: Path) -> None:
    lines = "base: {from: compose.yaml, service: db, command: postgres, environment: {PRICE: 6}}"
    found = composed(tmp_path, COMPOSE, lines)
    assert (found.name, found.command) == ("base", ("postgres",))
    assert found.environment[0] == ("POSTGRES_PASSWORD", "${PASSWORD}")
    assert found.environment[-1] == ("PRICE", "6")


def test_variables_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    lines = "db: {from: compose.yaml}\nqueue: {from: compose.yaml}"
    assert services(tmp_path, lines)[1].environment == (("A", "${A}"), ("B", "${B}"))


@pytest.mark.parametrize(
    ("lines", "place", "words"),
    [
        ("db: {from: no.yaml}", "matrix.yaml:8:20", ["no file", "fix the path"]),
        ("dv: {from: compose.yaml}", "matrix.yaml:8:20", ["no service 'dv'; known: web, db, "]),
        ("a: {from: compose.yaml, service: dv}", "matrix.yaml:8:42", ["no service 'dv'"]),
        ("old: {from: compose.yaml}", "compose.yaml:24:9", ["`extends:`", "docker compose config"]),
        ("built: {from: compose.yaml}", "compose.yaml:25:11", ["`build:`", "name it by `image:`"]),
        ("own: {from: compose.yaml}", "compose.yaml:26:33", ["'/etc/redis.conf'", "remove it"]),
        ("bad: {from: compose.yaml}", "compose.yaml:27:32", ["'${B:+c}' is not understood"]),
        ("queue: {from: compose.yaml}", "compose.yaml:23:79", ["needs 'db'", "add that"]),
    ],
)  # fmt: skip
def test_mistakes_in_a_compose_file(
    tmp_path: Path, lines: str, place: str, words: list[str]
) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    refused(tmp_path, lines, place, *words)


@pytest.mark.parametrize(
    ("compose", "position", "words"),
    [
        ("a: 1", "1:1", ["no `services:`"]),
        ("", "1:1", ["the file is empty"]),
        ("services: {db: [a]}", "1:16", ["a mapping"]),
        ("services: {db: {image: redis, from: a}}", "1:31", ["unknown key 'from'"]),
        ("services: {db: {image: redis, <<: a}}", "1:35", ["`<<:` takes a mapping"]),
        ("services: {db: &a {<<: *a}}", "1:16", ["contains itself"]),
        ("services: {db: {image: redis, command: a $$$B}}", "1:40", ["remove `$$`"]),
    ],
)
def test_compose_files_that_are_none(
    tmp_path: Path, compose: str, position: str, words: list[str]
) -> None:
    (tmp_path / "compose.yaml").write_text(compose)
    refused(tmp_path, "db: {from: compose.yaml}", f"compose.yaml:{position}", *words)


def test_the_schema_for_editors_knows_services() -> None:
    section = schema.json_schema()["$defs"]["ServiceSection"]
    assert {"image", "from", "companion", *IGNORED} <= section["properties"].keys()
    assert section["properties"]["companion"]["enum"] == list(plugins.companions())


def test_services_start_after_those_that_they_need(tmp_path: Path) -> None:
    found = services(
        tmp_path,
        "a: {image: rabbitmq, depends_on: [b, c]}\n"
        "b: {image: redis, depends_on: {c: {condition: service_healthy}}}\n"
        "c: {image: postgres}",
    )
    assert [(one.name, one.after) for one in found] == [("c", ()), ("b", ("c",)), ("a", ("b", "c"))]


def test_those_of_a_compose_file_need_each_other_by_the_names_that_they_have_here(
    tmp_path: Path,
) -> None:
    compose = "services:\n  db: {image: postgres}\n  q: {image: redis, depends_on: [db]}\n"
    (tmp_path / "compose.yaml").write_text(compose)
    lines = "queue: {from: compose.yaml, service: q}\nstore: {from: compose.yaml, service: db}"
    assert [(one.name, one.after) for one in services(tmp_path, lines)] == [
        ("store", ()),
        ("queue", ("store",)),
    ]


def test_services_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "a: {image: redis, depends_on: [b]}\nb: {image: postgres, depends_on: [a]}",
        "matrix.yaml:8:9",
        "a and b wait for each other",
        "remove a `depends_on`",
    )


def test_the_memory_of_a_service(tmp_path: Path) -> None:
    assert service(tmp_path, "db: {image: redis}").memory_bytes == 512 << 20
    assert service(tmp_path, "db: {image: redis, mem_limit: 1g}").memory_bytes == 1 << 30
    refused(tmp_path, "db: {image: redis, mem_limit: a lot}", "matrix.yaml:8:39", "512m or 2g")


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("postgres:17-alpine", "postgres"),
        ("ghcr.io/x/pgvector:pg17", "postgres"),
        ("redis", "redis"),
        ("valkey/valkey:8", "valkey"),
        ("mysql:8", "mysql"),
        ("mariadb", "mysql"),
        ("mongo:7", "mongodb"),
        ("rabbitmq:4-management", "rabbitmq"),
        ("redis/redis-stack", ""),
        ("elsewhere", ""),
    ],
)
def test_whom_an_image_that_starts_as_root_turns_into(image: str, user: str) -> None:
    assert user_of(image) == user
