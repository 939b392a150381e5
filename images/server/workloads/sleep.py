"""`time.sleep(seconds)`, or so many seconds more or less: uniformly up to `spread`."""

import os
import time

NAME = "sleep"
PLACE = 0
PARAMETERS = {"seconds": 2.0, "spread": 0.0}
PACKAGES = ()
PACKAGES_BY = {}
COMPANION = None
DISK = False
CPU_BOUND = False
ALONE = None
SERVICE_S = "seconds"

#: Where the processes of a server agree on their numbers: in memory, and empty at first.
DIRECTORY = "/tmp"  # noqa: S108 - inside the pod


def make(parameters):
    """Sleep; spread out, the same sequence of times in every cell."""
    seconds, spread = float(parameters["seconds"]), float(parameters["spread"])
    if not spread:
        return lambda: time.sleep(seconds)
    import random

    # One draw for each request: an operation in C, which threads do not tear apart.
    draw = random.Random(process_number()).random  # noqa: S311 - not a secret
    return lambda: time.sleep(seconds + spread * (2 * draw() - 1))


def process_number():
    """0 in the server's first process, then 1 …: no two draw the same sequence."""
    number = 0
    while True:
        try:
            os.mkdir(os.path.join(DIRECTORY, "sleep-%d" % number))
        except FileExistsError:
            number += 1
        else:
            return number
