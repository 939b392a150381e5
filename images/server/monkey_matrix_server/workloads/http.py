"""A GET with requests to an upstream that answers after `seconds`."""

NAME = "http"
PLACE = 3
PARAMETERS = {"seconds": 2.0}
PACKAGES = ("requests",)
PACKAGES_BY = {}
COMPANION = "http"
DISK = False
CPU_BOUND = False
ALONE = None
SERVICE_S = "seconds"

PORT = 7801


def make(parameters):
    """Get, with a new connection for each request, as `requests.get` does."""
    import requests

    url = "http://127.0.0.1:%d/?seconds=%s" % (PORT, parameters["seconds"])

    def work():
        requests.get(url, timeout=3600).raise_for_status()

    return work
