"""`time.sleep(seconds)`."""

import time

NAME = "sleep"
PLACE = 0
PARAMETERS = {"seconds": 2.0}
PACKAGES = ()
PACKAGES_BY = {}
COMPANION = None
DISK = False
CPU_BOUND = False
ALONE = None
SERVICE_S = "seconds"


def make(parameters):
    """Sleep."""
    seconds = float(parameters["seconds"])
    return lambda: time.sleep(seconds)
