"""Flask's development server with `threaded=False`: one request after the other."""

NAME = "werkzeug-single"
PLACE = 1
PACKAGES = ()
SETTINGS = {}
UNFIT = {}


def at_once(_settings):
    """One."""
    return 1


def serve(make_application, host, port, _settings):
    """Serve forever."""
    from monkey_matrix_server.servers import _werkzeug

    _werkzeug.serve(make_application, host, port, threaded=False)
