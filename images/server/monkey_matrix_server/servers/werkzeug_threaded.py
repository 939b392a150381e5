"""Flask's development server, a thread for each request: what the article ran."""

NAME = "werkzeug"
PLACE = 0
PACKAGES = ()
SETTINGS = {}
UNFIT = {}


def at_once(_settings):
    """No limit."""


def serve(make_application, host, port, _settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _werkzeug

    _werkzeug.serve(make_application, host, port, threaded=True)
