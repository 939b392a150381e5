"""What one request does. A workload is made once at start-up and called once a request."""

import time


def _sleep(settings):
    seconds = float(settings.get("MATRIX_SECONDS", "2"))
    # Looked up at each call: `time.sleep` is what a patch replaces.
    return lambda: time.sleep(seconds)


WORKLOADS = {"sleep": _sleep}


def make(settings):
    """Return the function that a request calls; raise KeyError for an unknown workload."""
    return WORKLOADS[settings.get("MATRIX_WORKLOAD", "sleep")](settings)
