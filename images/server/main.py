"""The article's demonstration, made honest: patch, import Flask, serve one route that blocks.

Settings come from the environment: MATRIX_PATCH, MATRIX_SERVER, MATRIX_WORKLOAD, MATRIX_SECONDS.
Runs from Python 3.8 up on nothing but the standard library and the cell's packages.
SIGUSR1 dumps every stack to standard error.
"""

import diagnostics

diagnostics.install()

import os
import sys
import traceback

import patches

#: Exit status that says: patching or importing failed, and the traceback is the last thing printed.
IMPORT_FAILED = 81

PORT = 7779


def make_application():
    """Build the Flask application with the workload's one route."""
    from flask import Flask

    import workloads

    application = Flask("cell")
    work = workloads.make(os.environ)

    @application.route("/")
    def answer():
        work()
        return "Hello World"

    return application


def prepare():
    """Patch, then import: in this order, before anything else happens."""
    patches.apply(os.environ.get("MATRIX_PATCH", "none"))
    return make_application()


def main():
    """Serve until killed."""
    try:
        application = prepare()
    except Exception:
        traceback.print_exc()
        sys.exit(IMPORT_FAILED)
    import servers

    servers.serve(os.environ.get("MATRIX_SERVER", "werkzeug"), application, "127.0.0.1", PORT)


if __name__ == "__main__":
    main()
