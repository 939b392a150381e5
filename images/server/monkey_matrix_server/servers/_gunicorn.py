"""gunicorn as its users run it: its own command line, configuration and hooks.

Only two things differ from `python3 -m gunicorn`: what `import_app` loads is wrapped, so that its
requests are recorded, and a few settings are gunicorn's own again whatever a configuration says,
because the cell could not be measured with them.
"""

import json
import os
import sys
import traceback

from monkey_matrix_server import contract, diagnostics, effects, placing

#: What a worker that could not load the application ends with; the master then ends too.
BOOT_FAILED = 3
#: What gunicorn ends with that could not read its configuration.
MISCONFIGURED = 1
#: On the command line, before what the application's author adds to it.
DEFAULTS = (
    # In memory: a file that is touched on a disk would be measured as well.
    "--worker-tmp-dir=/dev/shm",
    "--graceful-timeout=1",
    "--keep-alive=0",
    "--log-level=warning",
)
#: After it. The timeout is beyond any load, so that a worker that hangs is seen hanging and not
#: replaced.
FIXED = ("--timeout=86400",)
#: Settings that a cell must leave to gunicorn, and that no option of the command line sets back: an
#: access log would be measured, errors are evidence, the load is plain HTTP, and the process is the
#: container's first, runs as its user and may not write just anywhere.
LEFT_TO_GUNICORN = (
    "accesslog",
    "errorlog",
    "daemon",
    "pidfile",
    "user",
    "group",
    "certfile",
    "keyfile",
    "proxy_protocol",
)
#: gunicorn 25.1 and newer listens on a socket in HOME for commands that nobody sends here.
NO_CONTROL_SOCKET = "--no-control-socket"
#: What `MATRIX_GUNICORN_CONFIG` says for no configuration, not even the one that lies there.
NONE = "none"
NO_CONFIGURATION = "python:monkey_matrix_server.no_gunicorn_config"


def serve(
    make_application, bind, worker_class, settings, *, unless_configured=None, patches_itself=False
):
    """Serve forever; exit with `IMPORT_FAILED` if no worker can load the application.

    `bind` is a host and a port. `settings` win over the application's own configuration,
    `unless_configured` do not. `patches_itself`: the worker does when it starts.
    """
    worker_class = os.environ.get("MATRIX_WORKER_CLASS") or worker_class
    settings = dict(settings, bind="%s:%d" % bind, worker_class=worker_class)
    added = json.loads(os.environ.get("MATRIX_ARGS") or "[]")
    sys.argv = ["gunicorn", *options(settings, added), make_application.address]
    from gunicorn.app.wsgiapp import WSGIApplication

    class Program(Measured, WSGIApplication):
        """gunicorn's own, measured."""

    try:
        program = Program(make_application, added, unless_configured or {}, patches_itself)
    except SystemExit as end:
        sys.exit(contract.IMPORT_FAILED if end.code == MISCONFIGURED else end.code)
    try:
        program.run()
    except SystemExit as end:
        sys.exit(contract.IMPORT_FAILED if end.code == BOOT_FAILED else end.code)


def options(settings, added):
    """Return gunicorn's options; of the same one, the last counts."""
    from gunicorn.config import KNOWN_SETTINGS

    known = {flag for setting in KNOWN_SETTINGS for flag in setting.cli or ()}
    configuration = os.environ.get("MATRIX_GUNICORN_CONFIG", "")
    if configuration == NONE:
        configuration = NO_CONFIGURATION
    return [
        *DEFAULTS,
        *added,
        *FIXED,
        *(_option(name.replace("_", "-"), value) for name, value in settings.items()),
        *([NO_CONTROL_SOCKET] if NO_CONTROL_SOCKET in known else ()),
        *(["--config=%s" % configuration] if configuration else ()),
    ]


def _option(name, value):
    return "--preload" if name == "preload" else "--%s=%s" % (name, value)


class Measured:
    """What is added to gunicorn's own program: its application is wrapped, its settings noted.

    `added` are arguments of the application's author, `unless_configured` settings where their
    configuration has none. The patch is applied on the way, where it stands; a worker that
    patches by itself has done so before.
    """

    def __init__(self, make_application, added, unless_configured, patches_itself):
        self.make_application = make_application
        self.added = added
        self.unless_configured = unless_configured
        self.patches_itself = patches_itself
        self.master = os.getpid()
        #: What the application's author wants, by the name of the setting.
        self.asked = {}
        super().__init__("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn")

    def init(self, parser, opts, args):
        """Set what comes before any configuration."""
        super().init(parser, opts, args)
        return self.unless_configured

    def load_config_from_module_name_or_filename(self, location):
        """Read a configuration, and note which and what it says."""
        if location != NO_CONFIGURATION:
            effects.note(gunicorn_config=relative(location))
        placing.reached(placing.CONFIG)
        found = super().load_config_from_module_name_or_filename(location)
        self.asked.update((name, found[name]) for name in found if name in self.cfg.settings)
        return found

    def load_config(self):
        """Read all that there is, then set back what a cell must leave to gunicorn."""
        super().load_config()
        placing.reached(placing.CONFIG)  # there was no configuration
        for name in LEFT_TO_GUNICORN:
            setting = self.cfg.settings[name]
            setting.set(setting.default)
        for arguments in (self.cfg.get_cmd_args_from_env(), self.added):
            given = vars(self.cfg.parser().parse_args(arguments))
            self.asked.update((name, given[name]) for name in given if given[name] is not None)
        effects.note(
            overridden=overridden(self.asked, self.cfg),
            worker_class=str(self.cfg.worker_class_str),
        )
        if not self.patches_itself and placing.stands_at(placing.WORKER):
            self.cfg.set("post_fork", patched_first(self.cfg.post_fork))

    def wsgi(self):
        """Return the application; a worker asks as the last thing before it serves."""
        if os.getpid() != self.master:
            # gunicorn has just put its own handler in the place of ours.
            diagnostics.install()
            placing.reached(placing.WORKER)
        return super().wsgi()

    def load(self):
        """Load the application in a worker, or in the master with `preload`."""
        from gunicorn.util import import_app

        try:
            return self.make_application(import_app)
        except Exception:
            traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(BOOT_FAILED if os.getpid() != self.master else contract.IMPORT_FAILED)


def patched_first(post_fork):
    """Return a hook that patches in the new worker, and then does what it did."""

    def patched(server, worker):
        placing.reached(placing.WORKER)
        post_fork(server, worker)

    return patched


def relative(location):
    """Return where a configuration was found as its author names it: from the directory here."""
    here = os.path.join(os.getcwd(), "")
    return location.removeprefix(here)


def overridden(asked, config):
    """Return the settings that are not as asked, by name: `4 → 1`."""
    from gunicorn.config import Config

    as_asked, changed = Config(), {}
    for name in sorted(set(asked) & set(config.settings)):
        as_asked.set(name, asked[name])
        before, now = as_asked.settings[name].get(), config.settings[name].get()
        if before != now:
            changed[name] = "%s → %s" % (before, now)
    return changed
