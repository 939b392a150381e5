"""What the servers of gunicorn have in common: one master, workers that build the application.

The application is made in the worker, as gunicorn does by default, so that a channel or a
connection opened at its start belongs to the process that uses it.
"""

import os
import sys
import traceback

#: What a worker that could not build the application ends with; the master then ends too.
BOOT_FAILED = 3


def serve(make_application, host, port, worker_class, settings):
    """Serve forever; exit with `IMPORT_FAILED` if no worker can build the application."""
    from gunicorn.app.base import BaseApplication

    import contract
    import diagnostics

    options = {
        "bind": "%s:%d" % (host, port),
        "worker_class": worker_class,
        # In memory: a file that is touched on a disk would be measured as well.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        # Beyond any load, so that a worker that hangs is seen hanging and not replaced.
        "timeout": 86400,
        "graceful_timeout": 1,
        "keepalive": 0,
        "accesslog": None,
        "loglevel": "warning",
        **settings,
    }

    class Application(BaseApplication):
        def load_config(self):
            for key, value in options.items():
                self.cfg.set(key, value)

        def load(self):
            # gunicorn has just put its own handler in the place of ours.
            diagnostics.install()
            try:
                return make_application()
            except Exception:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(BOOT_FAILED)

    try:
        Application().run()
    except SystemExit as end:
        sys.exit(contract.IMPORT_FAILED if end.code == BOOT_FAILED else end.code)
