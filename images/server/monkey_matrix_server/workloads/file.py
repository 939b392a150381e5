"""Writes a file of `size` bytes, syncs it to the disk, reads it back and removes it."""

import itertools
import os

NAME = "file"
PLACE = 2
PARAMETERS = {"size": 65536}
PACKAGES = ()
PACKAGES_BY = {}
COMPANION = None
DISK = True
CPU_BOUND = False
ALONE = "it waits for the disk, which all cells share"
SERVICE_S = None

#: A volume of the engine's, on its disk; the rest of the container is in memory or read-only.
DIRECTORY = "/data"


def make(parameters):
    """Write, sync, read."""
    content = os.urandom(int(parameters["size"]))
    number = itertools.count()

    def work():
        path = os.path.join(DIRECTORY, "%d-%d" % (os.getpid(), next(number)))
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with open(path, "rb") as file:
            if file.read() != content:
                raise RuntimeError("%s does not hold what was written" % path)
        os.unlink(path)

    return work
