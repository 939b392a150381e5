"""What is known of the images and Debian packages that applications usually have beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from runner.matrix.interpolation import interpolated


@dataclass(frozen=True, kw_only=True)
class Known:
    """A kind of service: how its images and packages are called, its port, its own check.

    `images` are last parts of names, without tags. `ready` is a shell command with `{port}` in it,
    empty where a connection has to do. `port_variable` moves the port, and below the directories
    `data` the service keeps what it is given. `user` is whom an image that starts as root turns
    into, which takes privileges that a service does not have here: it is that user from the start.
    """

    images: frozenset[str]
    port: int
    ready: str = ""
    packages: frozenset[str] = frozenset()
    port_variable: str = ""
    data: tuple[str, ...] = ()
    user: str = ""


# The images of databases answer on a socket file while they are set up: only TCP tells the end.
MYSQL: Final = "ping -h 127.0.0.1 -P {port} --silent"
# It exits with 0 whatever the answer is; a server that wants a password is ready, too.
REDIS: Final = "{client} -h 127.0.0.1 -p {{port}} ping 2>&1 | grep -qE 'PONG|NOAUTH'"
KNOWN: Final = (
    Known(
        images=frozenset({"postgres", "postgresql", "postgis", "pgvector", "timescaledb"}),
        port=5432,
        ready="pg_isready -q -h 127.0.0.1 -p {port}",
        packages=frozenset({"postgresql"}),
        port_variable="PGPORT",
        data=("/var/lib/postgresql", "/bitnami/postgresql"),
        user="postgres",
    ),
    Known(
        images=frozenset({"redis"}),
        port=6379,
        ready=REDIS.format(client="redis-cli"),
        packages=frozenset({"redis-server", "redis"}),
        data=("/data", "/bitnami/redis"),
        user="redis",
    ),
    Known(
        images=frozenset({"redis-stack", "redis-stack-server"}),
        port=6379,
        ready=REDIS.format(client="redis-cli"),
        data=("/data",),
    ),
    Known(
        images=frozenset({"valkey"}),
        port=6379,
        ready=REDIS.format(client="valkey-cli"),
        packages=frozenset({"valkey-server", "valkey"}),
        data=("/data", "/bitnami/valkey"),
        user="valkey",
    ),
    Known(
        images=frozenset({"mysql", "mysql-server", "percona", "percona-server"}),
        port=3306,
        ready=f"mysqladmin {MYSQL}",
        port_variable="MYSQL_TCP_PORT",
        data=("/var/lib/mysql",),
        user="mysql",
    ),
    Known(
        images=frozenset({"mariadb"}),
        port=3306,
        ready=f"mariadb-admin {MYSQL} || mysqladmin {MYSQL}",
        packages=frozenset({"mariadb-server"}),
        port_variable="MYSQL_TCP_PORT",
        data=("/var/lib/mysql", "/bitnami/mariadb"),
        user="mysql",
    ),
    Known(
        images=frozenset({"rabbitmq"}),
        port=5672,
        ready="rabbitmq-diagnostics -q ping && rabbitmq-diagnostics -q check_port_listener {port}",
        packages=frozenset({"rabbitmq-server"}),
        data=("/var/lib/rabbitmq",),
        user="rabbitmq",
    ),
    Known(images=frozenset({"memcached"}), port=11211, packages=frozenset({"memcached"})),
    Known(
        images=frozenset({"mongo", "mongodb"}),
        port=27017,
        data=("/data/db", "/data/configdb"),
        user="mongodb",
    ),
    Known(
        images=frozenset({"elasticsearch", "opensearch"}),
        port=9200,
        data=("/usr/share/elasticsearch/data", "/usr/share/opensearch/data"),
    ),
    Known(images=frozenset({"minio"}), port=9000, data=("/data",)),
    Known(images=frozenset({"localstack"}), port=4566, data=("/var/lib/localstack",)),
    Known(images=frozenset({"dynamodb-local"}), port=8000),
)
#: A port that a command names: `--port 6380`, `--port=6380`, `-p 5433`, `-c port=5433`.
OPTION: Final = re.compile(r"(?:--port|-p|port)=([0-9]+)|-p([0-9]+)")


def known_image(image: str) -> Known | None:
    """What is known of an image, e.g. `ghcr.io/someone/postgres:17`."""
    name = (
        interpolated(image, lambda _: None).partition("@")[0].rpartition("/")[2].partition(":")[0]
    )
    return next((known for known in KNOWN if name in known.images), None)


def user_of(image: str) -> str:
    """Whom an image that starts as root turns into, empty where that is not known."""
    known = known_image(image)
    return known.user if known else ""


def known_packages(packages: Iterable[str]) -> Known | None:
    """What is known of packages of Debian, e.g. `redis-server`, `postgresql-17`."""
    names = {re.sub(r"-[0-9.]+$", "", package) for package in packages}
    return next((known for known in KNOWN if known.packages & names), None)


def port_of(known: Known, command: Iterable[str], environment: Mapping[str, str]) -> int:
    """The port that a known service listens at, with this command and these variables."""
    for word, following in pairwise([*command, ""]):
        if word in {"--port", "-p"} and following.isdecimal():
            return int(following)
        if match := OPTION.fullmatch(word):
            return int(match[1] or match[2])
    moved = environment.get(known.port_variable, "")
    return int(moved) if moved.isdecimal() else known.port
