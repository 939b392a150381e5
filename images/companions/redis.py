"""Redis from Debian's packages, all in memory, without a password.

It listens where Redis always does. Nothing is written to a disk, so nothing but clients is waited
for.
"""

import subprocess
import time

PYTHON = "3.13"
PACKAGES = {}
EXCLUDE_NEWER = "2026-11-01"
DEBIAN = ("redis-server",)
MEMORY_MIB = 512
STARTUP_S = 30

PORT = 6379
OPTIONS = {
    "port": PORT,
    "bind": "127.0.0.1",
    "dir": "/tmp",
    "save": "",
    "appendonly": "no",
    "maxclients": 4000,
}


def answers():
    """Whether it answers."""
    command = ["redis-cli", "-h", "127.0.0.1", "-p", str(PORT), "ping"]
    result = subprocess.run(command, capture_output=True, check=False)
    return b"PONG" in result.stdout


def main():
    """Serve until killed; print the ready line when it answers."""
    from contract import COMPANION_READY

    options = [part for name, value in OPTIONS.items() for part in ("--" + name, str(value))]
    server = subprocess.Popen(["redis-server", *options])
    while not answers():
        if server.poll() is not None:
            raise SystemExit(server.returncode or 1)
        time.sleep(0.1)
    print(COMPANION_READY, flush=True)
    raise SystemExit(server.wait())


if __name__ == "__main__":
    main()
