"""`time.sleep(seconds)`, or so many seconds more or less: uniformly up to `spread`.

`spin` is a known effect, for those who check what a measurement can show: so many milliseconds of
CPU that each request uses before it sleeps.
"""

import os
import time

NAME = "sleep"
PLACE = 0
PARAMETERS = {"seconds": 2.0, "spread": 0.0, "spin": 0.0}
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
    sleep = sleeper(float(parameters["seconds"]), float(parameters["spread"]))
    spin_s = float(parameters["spin"]) / 1000
    if not spin_s:
        return sleep

    def work():
        use_cpu(spin_s)
        sleep()

    return work


def sleeper(seconds, spread):
    """The function that sleeps for a request."""
    if not spread:
        return lambda: time.sleep(seconds)
    import random

    # One draw for each request: an operation in C, which threads do not tear apart.
    draw = random.Random(process_number()).random  # noqa: S311 - not a secret
    return lambda: time.sleep(seconds + spread * (2 * draw() - 1))


def use_cpu(seconds):
    """Use CPU time by the thread's own clock: no other thread counts, nor waiting for a CPU."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


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
