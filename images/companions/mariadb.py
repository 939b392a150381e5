"""MariaDB from Debian's packages, its data in memory, with an empty database.

It listens where MySQL and MariaDB always do: database, user and password are `matrix`. Nothing is
synced to a disk, so nothing but clients is waited for.
"""

import subprocess
import time

PYTHON = "3.13"
PACKAGES = {}
EXCLUDE_NEWER = "2026-11-01"
DEBIAN = ("mariadb-server",)
MEMORY_MIB = 1024
STARTUP_S = 60

PORT = 3306
DATA = "/tmp/data"
SOCKET = "/tmp/mariadb.sock"
NAME = "matrix"
SETUP = """
CREATE DATABASE {name} CHARACTER SET utf8mb4;
CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{name}';
CREATE USER '{name}'@'localhost' IDENTIFIED BY '{name}';
GRANT ALL ON {name}.* TO '{name}'@'127.0.0.1', '{name}'@'localhost';
"""
OPTIONS = {
    "datadir": DATA,
    "socket": SOCKET,
    "pid-file": "/tmp/mariadb.pid",
    "port": PORT,
    "bind-address": "127.0.0.1",
    "max-connections": 1200,
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "32M",
    "innodb-flush-log-at-trx-commit": 0,
    "skip-name-resolve": 1,
}


def client(text):
    """Run SQL as its first user; return whether that succeeded."""
    command = ["mariadb", "--no-defaults", "--user=root", "--socket", SOCKET]
    return subprocess.run(command, input=text.encode(), check=False).returncode == 0


def main():
    """Make the data, serve until killed; print the ready line when the database is there."""
    from contract import COMPANION_READY

    subprocess.run(
        [
            "mariadb-install-db", "--no-defaults", "--datadir=" + DATA, "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ],
        stdout=subprocess.DEVNULL,
        check=True,
    )  # fmt: skip
    options = ["--%s=%s" % option for option in OPTIONS.items()]
    server = subprocess.Popen(["mariadbd", "--no-defaults", *options])
    while not client("SELECT 1;"):
        if server.poll() is not None:
            raise SystemExit(server.returncode or 1)
        time.sleep(0.2)
    if not client(SETUP.format(name=NAME)):
        raise SystemExit(1)
    print(COMPANION_READY, flush=True)
    raise SystemExit(server.wait())


if __name__ == "__main__":
    main()
