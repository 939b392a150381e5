"""The article's demonstration, made honest: patch, import Flask, serve one route that blocks.

Settings come from the environment: MATRIX_PATCH, MATRIX_ORDER, MATRIX_SERVER and MATRIX_WORKLOAD
name them, MATRIX_SERVER_… and MATRIX_WORKLOAD_… set them. Runs from Python 3.8 up on nothing but
the standard library and the cell's packages. SIGUSR1 dumps every stack to standard error.
"""

import diagnostics

diagnostics.install()
diagnostics.allow_open_files()

import os
import sys
import traceback

import contract
import patches
import plugins
import recording
import servers
import workloads


def make_application():
    """Build the Flask application with the workload's one route."""
    from flask import Flask

    application = Flask("cell")
    workload = plugins.load(workloads)[os.environ.get("MATRIX_WORKLOAD", "sleep")]
    work = workload.make(plugins.settings(os.environ, "MATRIX_WORKLOAD", workload.PARAMETERS))

    @application.route("/")
    def answer():
        work()
        return contract.BODY

    application.wsgi_app = recording.Recorded(application.wsgi_app)
    return application


def import_early():
    """Import what an application that patches too late has imported by then."""
    import flask  # noqa: F401

    for name in ("grpc", "requests"):
        try:
            __import__(name)
        except ImportError:
            continue


def prepare():
    """Patch before anything else is imported, or, with the order `late`, after."""
    if os.environ.get("MATRIX_ORDER") == "late":
        import_early()
    plugins.load(patches)[os.environ.get("MATRIX_PATCH", "none")].apply()


def main():
    """Serve until killed; what fails before the application is there is an import error."""
    built = []

    def make():
        application = make_application()
        built.append(application)
        return application

    try:
        prepare()
        server = plugins.load(servers)[os.environ.get("MATRIX_SERVER", "werkzeug")]
        chosen = plugins.settings(os.environ, "MATRIX_SERVER", server.SETTINGS)
        settings = {name: int(value) for name, value in chosen.items()}
        server.serve(make, "127.0.0.1", contract.PORT, settings)
    except Exception:
        traceback.print_exc()
        sys.exit(1 if built else contract.IMPORT_FAILED)


if __name__ == "__main__":
    main()
