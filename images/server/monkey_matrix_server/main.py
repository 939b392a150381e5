"""The article's demonstration, made honest: patch, load the application, serve it.

Settings come from the environment: MATRIX_PATCH, MATRIX_PLACEMENT and MATRIX_SERVER name them, and
MATRIX_SERVER_… sets the server. MATRIX_APPLICATION is the application's address; without one it is
that of MATRIX_WORKLOAD. MATRIX_BEFORE has commands to run first. SIGUSR1 dumps every stack to
standard error.
"""

from monkey_matrix_server import diagnostics

diagnostics.install()
diagnostics.allow_open_files()

import os
import sys
import time
import traceback

from monkey_matrix_server import (
    before,
    contract,
    effects,
    loading,
    looking,
    patches,
    patching,
    placing,
    plugins,
    recording,
    servers,
    watching,
)


def import_early():
    """Import what an application that patches too late has imported by then."""
    for name in ("flask", "grpc", "requests"):
        try:
            __import__(name)
        except ImportError:
            continue


def prepare():
    """Patch before anything else is imported, or say where else the server is to do it."""
    if watching.is_wanted():
        watching.set_up()
        patching.start(watching.on_event)
    else:
        patching.start()
    effects.note(by_label=effects.patched())
    name, arguments = plugins.called(os.environ.get("MATRIX_PATCH", "none"))
    patch = plugins.load(patches)[name]
    placing.choose(
        os.environ.get("MATRIX_PLACEMENT", placing.FIRST), lambda: patch.apply(**arguments)
    )
    placing.reached(placing.FIRST)
    if os.environ.get("MATRIX_PLACEMENT") == placing.LATE:
        import_early()
        placing.reached(placing.LATE)


def note_start():
    """Say when the server starts: what came before is no part of its start."""
    unfinished = "%s-%d" % (contract.STARTED, os.getpid())
    try:
        with open(unfinished, "w") as file:
            file.write(str(time.monotonic_ns()))
        os.rename(unfinished, contract.STARTED)
    except OSError as error:
        print("the start is not noted: %s" % error, file=sys.stderr)


class Maker:
    """Makes the application that a server serves; `made` says whether it could."""

    def __init__(self, address):
        self.address = address
        self.made = False

    def __call__(self, load=loading.import_app):
        """Load the application by its address, and record its requests."""
        application = loading.loaded(load, self.address)
        effects.note(application=effects.name_of(type(application)))
        placing.reached(placing.AFTER_APP)
        self.made = True
        if looking.is_wanted():
            application = looking.Looked(application)
        return recording.Recorded(application)


def main():
    """Serve until killed; what fails before the application is there is an import error."""
    if not before.run(os.environ.get("MATRIX_BEFORE")):
        sys.exit(contract.BEFORE_FAILED)
    note_start()
    make = Maker(os.environ.get("MATRIX_APPLICATION") or contract.WORKLOAD_APPLICATION)
    try:
        prepare()
        server = plugins.load(servers)[os.environ.get("MATRIX_SERVER", "werkzeug")]
        chosen = plugins.settings(os.environ, "MATRIX_SERVER", server.SETTINGS)
        chosen.update(plugins.given(os.environ, "MATRIX_SERVER", getattr(server, "OPTIONS", {})))
        settings = {name: int(value) for name, value in chosen.items()}
        server.serve(make, "127.0.0.1", contract.PORT, settings)
    except Exception:
        traceback.print_exc()
        sys.exit(1 if make.made else contract.IMPORT_FAILED)
