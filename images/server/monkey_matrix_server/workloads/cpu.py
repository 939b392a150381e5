"""Spends `seconds` of CPU in Python: the control that no patch can help."""

import time

NAME = "cpu"
PLACE = 1
PARAMETERS = {"seconds": 2.0}
PACKAGES = ()
PACKAGES_BY = {}
COMPANION = None
DISK = False
CPU_BOUND = True
ALONE = "it keeps a CPU busy"
SERVICE_S = "seconds"


def make(parameters):
    """Use CPU time by the thread's own clock: no other thread counts, nor waiting for a CPU."""
    seconds = float(parameters["seconds"])

    def work():
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    return work
