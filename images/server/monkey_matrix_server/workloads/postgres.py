"""`pg_sleep(seconds)` and a query by an index, over one of several drivers.

Connections are kept in a list and handed out again, as a pool without a bound does; taking and
giving back are single operations on a deque, which no patch touches.
"""

from collections import deque

NAME = "postgres"
PLACE = 5
PARAMETERS = {
    "seconds": 2.0,
    "driver": ("psycopg2", "psycopg2+psycogreen", "psycopg", "pg8000"),
}
PACKAGES = ()
PACKAGES_BY = {
    "driver": {
        "psycopg2": ("psycopg2-binary",),
        # psycogreen itself has no wheel; its wait callback is below.
        "psycopg2+psycogreen": ("gevent", "psycopg2-binary"),
        "psycopg": ("psycopg", "psycopg-binary"),
        "pg8000": ("pg8000",),
    }
}
COMPANION = "postgres"
DISK = False
CPU_BOUND = False
ALONE = None
SERVICE_S = "seconds"

SERVER = {"host": "127.0.0.1", "port": 7803, "user": "matrix"}
SLEEP = "SELECT pg_sleep(%s)"
QUERY = "SELECT name FROM item WHERE number = %s"
NUMBER, FOUND = 4711, "item 4711"


def make(parameters):
    """Connect once, so that a driver that cannot is found at start-up; then query."""
    connect = CONNECT[parameters["driver"]]()
    seconds = float(parameters["seconds"])
    idle = deque([connect()])

    def work():
        try:
            connection = idle.pop()
        except IndexError:
            connection = connect()
        cursor = connection.cursor()
        cursor.execute(SLEEP, (seconds,))
        cursor.execute(QUERY, (NUMBER,))
        found = cursor.fetchone()[0]
        cursor.close()
        idle.append(connection)
        if found != FOUND:
            raise RuntimeError("the database answered %r, not %r" % (found, FOUND))

    return work


def _psycopg2():
    import psycopg2

    def connect():
        connection = psycopg2.connect(dbname="matrix", **SERVER)
        connection.autocommit = True
        return connection

    return connect


def _psycopg2_with_callback():
    """psycopg2 that waits in gevent's loop: psycogreen's `patch_psycopg` (psycogreen.gevent)."""
    import psycopg2
    from gevent.socket import wait_read, wait_write
    from psycopg2 import extensions

    def wait(connection, timeout=None):
        while True:
            state = connection.poll()
            if state == extensions.POLL_OK:
                return
            if state == extensions.POLL_READ:
                wait_read(connection.fileno(), timeout=timeout)
            elif state == extensions.POLL_WRITE:
                wait_write(connection.fileno(), timeout=timeout)
            else:
                raise psycopg2.OperationalError("bad result from poll: %r" % (state,))

    extensions.set_wait_callback(wait)
    return _psycopg2()


def _psycopg():
    import psycopg

    return lambda: psycopg.connect(dbname="matrix", autocommit=True, **SERVER)


def _pg8000():
    import pg8000.dbapi

    def connect():
        connection = pg8000.dbapi.connect(database="matrix", **SERVER)
        connection.autocommit = True
        return connection

    return connect


CONNECT = {
    "psycopg2": _psycopg2,
    "psycopg2+psycogreen": _psycopg2_with_callback,
    "psycopg": _psycopg,
    "pg8000": _pg8000,
}
