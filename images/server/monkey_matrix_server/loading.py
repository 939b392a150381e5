"""Load an application by its address: `module`, `module:name` or `module:factory('literal', k=1)`.

The rules are those of gunicorn's `import_app`, and so are the words of the errors. A module alone
has its application under one of two names; gunicorn knows the first.
"""

import importlib
import os

DEFAULT_NAMES = ("application", "app")


class AppImportError(ImportError):
    """There is no such application."""


class EndedError(ImportError):
    """The application ended the process instead of being imported."""


def loaded(load, address):
    """Load an application with `load`; an `ImportError` if it calls `sys.exit` instead."""
    try:
        return load(completed(address))
    except SystemExit as end:
        raise EndedError("it called sys.exit(%r) while it was imported" % (end.code,)) from end


def completed(address):
    """Add the name to the address of a module alone, the first that the module has."""
    if ":" in address:
        return address
    module = importlib.import_module(address)
    found = [name for name in DEFAULT_NAMES if hasattr(module, name)]
    return "%s:%s" % (address, (found or DEFAULT_NAMES)[0])


def import_app(address):
    """Return the application at an address."""
    module, _, expression = address.partition(":")
    found = _import(module, expression)
    name, arguments = parsed(expression)
    try:
        application = getattr(found, name)
    except AttributeError:
        raise AppImportError("Failed to find attribute %r in %r." % (name, module)) from None
    if arguments is not None:
        application = _called(application, *arguments)
    if application is None:
        raise AppImportError("Failed to find application object: %r" % expression)
    if not callable(application):
        raise AppImportError("Application object must be callable.")
    return application


def _import(module, expression):
    try:
        return importlib.import_module(module)
    except ImportError:
        if module.endswith(".py") and os.path.exists(module):
            message = "Failed to find application, did you mean '%s:%s'?"
            raise ImportError(message % (module[:-3], expression)) from None
        raise


def parsed(expression):
    """Return a name, and with what it is called if it is: positional and named literals."""
    import ast

    unreadable = "Failed to parse %r as an attribute name or function call." % expression
    try:
        found = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise AppImportError(unreadable) from None
    if isinstance(found, ast.Name):
        return found.id, None
    if not isinstance(found, ast.Call):
        raise AppImportError(unreadable)
    if not isinstance(found.func, ast.Name):
        raise AppImportError("Function reference must be a simple name: %r" % expression)
    try:
        positional = [ast.literal_eval(argument) for argument in found.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in found.keywords}
    except ValueError:
        message = "Failed to parse arguments as literal values: %r" % expression
        raise AppImportError(message) from None
    return found.func.id, (positional, named)


def _called(factory, positional, named):
    try:
        return factory(*positional, **named)
    except TypeError as error:
        if error.__traceback__.tb_next is None:  # no frame of its own: it was called wrongly
            raise AppImportError("TypeError: %s" % error) from None
        raise
