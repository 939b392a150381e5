"""The modules of `patches`, `servers` and `workloads` by their NAME."""

import importlib
import os


def load(package):
    """Return the plugins of a package; a module that begins with `_` is none.

    `pkgutil` would list them as well, and import `threading` on the way: before the patch.
    """
    files = os.listdir(os.path.dirname(package.__file__))
    names = [name[:-3] for name in files if name.endswith(".py") and name[0] != "_"]
    modules = [importlib.import_module("%s.%s" % (package.__name__, name)) for name in names]
    return {module.NAME: module for module in modules}


def settings(environment, prefix, defaults):
    """Return a plugin's defaults, as text, overridden by `PREFIX_NAME` variables."""
    chosen = {name: _default(value) for name, value in defaults.items()}
    given = ((name, environment.get("%s_%s" % (prefix, name.upper()))) for name in chosen)
    return {**chosen, **{name: value for name, value in given if value is not None}}


def _default(value):
    if isinstance(value, tuple):
        value = value[0]
    return str(value).lower() if isinstance(value, bool) else str(value)
