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
    """Burn; the thread's own clock does not count what others use, nor waits for the CPU."""
    seconds = float(parameters["seconds"])

    def work():
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    return work
