"""uWSGI as its users run it, with a master that loads the application and forks its workers.

PyPI's `pyuwsgi` is uWSGI as a module of Python: it takes the interpreter that it is imported into,
so that a patch may come before it.
"""

import os
import signal
import sys
import traceback

from monkey_matrix_server import contract, diagnostics, effects, placing

#: How the application's module is called here, which uWSGI imports.
APPLICATION = "monkey_matrix_server.servers._uwsgi_application"
OPTIONS = (
    "--master",
    "--die-on-term",
    "--need-app",
    "--disable-logging",
    # Without it uWSGI takes the interpreter's lock from every thread but its own.
    "--enable-threads",
)


class Served:
    """What is served, once it is known how to make it."""

    make = None
    patches_itself = False


def serve(make_application, bind, options, *, patches_itself=False):
    """Serve forever. `bind` is a host and a port, `options` are of uWSGI's command line.

    `patches_itself`: each worker does, once it has begun.
    """
    import pyuwsgi

    Served.make, Served.patches_itself = make_application, patches_itself
    address = "%s:%d" % bind
    pyuwsgi.run([*OPTIONS, "--http-socket", address, "--module", APPLICATION, *options])


def application():
    """Make the application for uWSGI, which is importing its module; end it where that fails."""
    try:
        made = Served.make()
    except Exception:
        traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(contract.IMPORT_FAILED)
    _in_each_worker(made)
    return made


def _in_each_worker(made):
    """Do in a worker what Python does after a fork, for uWSGI forks without Python."""
    import uwsgidecorators

    @uwsgidecorators.postfork
    def in_worker():
        made.open_again()
        diagnostics.install()
        made.at_first_request = _first_request(_handler())
        if Served.patches_itself:
            placing.server_will_patch()
        placing.reached(placing.WORKER)


def _first_request(set_handler):
    def first_request():
        set_handler()
        effects.write()

    return first_request


def _handler():
    """Return a function that sets the handler of stack dumps again, from any thread.

    uWSGI puts its own in its place after the hook for new workers, and `signal.signal` works in the
    main thread alone, which need not be the one of a request.
    """
    import ctypes

    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype, put.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
    ours = get(signal.SIGUSR1)
    return lambda: put(signal.SIGUSR1, ours)
