"""waitress: one loop for the sockets, a pool of threads for the requests; four by its default."""

NAME = "waitress"
PLACE = 7
PACKAGES = ("waitress",)
SETTINGS = {"threads": 4}
UNFIT = {}
#: Connections that waitress accepts at once; its own default is 100.
CONNECTIONS = 10000


def at_once(settings):
    """One for each thread."""
    return settings["threads"]


def serve(make_application, host, port, settings):
    """Serve forever."""
    import logging

    import waitress

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    waitress.serve(
        make_application(),
        host=host,
        port=port,
        threads=settings["threads"],
        connection_limit=CONNECTIONS,
        # select() cannot watch more than 1,024 descriptors.
        asyncore_use_poll=True,
    )
