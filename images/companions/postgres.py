"""PostgreSQL from Debian's packages, its data in memory, with one table of 20,000 numbered rows.

Written to memory without any sync: what is measured is the client's waiting, not a disk.
"""

import glob
import os
import subprocess
import time

PYTHON = "3.13"
PACKAGES = {}
EXCLUDE_NEWER = "2026-11-01"
DEBIAN = ("postgresql",)
MEMORY_MIB = 2048
STARTUP_S = 60

PORT = 7803
DATA = "/tmp/data"
USER = "matrix"
TABLE = """
CREATE TABLE item (number integer PRIMARY KEY, name text NOT NULL);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 20000) AS n;
ANALYZE item;
"""
OPTIONS = {
    "port": PORT,
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "/tmp",
    # More than any load has clients, and enough for a pool that grows to each of them.
    "max_connections": 1200,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "shared_memory_type": "mmap",
    "logging_collector": "off",
}


def programs():
    """The directory of PostgreSQL's programs: Debian has one per major version."""
    return max(glob.glob("/usr/lib/postgresql/*/bin"))


def psql(bin_, database, text):
    """Run SQL over the socket; return whether that succeeded."""
    command = [bin_ + "/psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "/tmp", "-p", str(PORT)]
    result = subprocess.run([*command, "-U", USER, database], input=text.encode(), check=False)
    return result.returncode == 0


def main():
    """Make the data, serve until killed; print the ready line when the table answers."""
    from contract import COMPANION_READY

    bin_ = programs()
    # initdb asks for the user's name, which no container's /etc/passwd has.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "USER": USER}
    initdb = ["--auth=trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        [bin_ + "/initdb", "-D", DATA, "-U", USER, *initdb],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    options = [part for name, value in OPTIONS.items() for part in ("-c", "%s=%s" % (name, value))]
    server = subprocess.Popen([bin_ + "/postgres", "-D", DATA, *options], env=environment)
    while not psql(bin_, "postgres", "CREATE DATABASE matrix;"):
        if server.poll() is not None:
            raise SystemExit(server.returncode or 1)
        time.sleep(0.2)
    if not psql(bin_, "matrix", TABLE):
        raise SystemExit(1)
    print(COMPANION_READY, flush=True)
    raise SystemExit(server.wait())


if __name__ == "__main__":
    main()
