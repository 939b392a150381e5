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
    return {**chosen, **given(environment, prefix, defaults)}


def given(environment, prefix, names):
    """Return those of some settings that have a variable `PREFIX_NAME`, as text."""
    values = ((name, environment.get("%s_%s" % (prefix, name.upper()))) for name in names)
    return {name: value for name, value in values if value is not None}


def called(text):
    """Return a plugin's name and the arguments behind it: `gevent(thread=False)`."""
    name, _, written = text.partition("(")
    pairs = (one.split("=") for one in written.rstrip(")").split(",") if one)
    return name, {key.strip(): value.strip() == "True" for key, value in pairs}


def _default(value):
    if isinstance(value, tuple):
        value = value[0]
    return str(value).lower() if isinstance(value, bool) else str(value)
