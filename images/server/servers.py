"""What serves the application. No server writes an access log: it would be measured too."""

import logging


def _werkzeug(application, host, port, threaded):
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application.run(host=host, port=port, threaded=threaded)


SERVERS = {
    "werkzeug": lambda application, host, port: _werkzeug(application, host, port, True),
    "werkzeug-single": lambda application, host, port: _werkzeug(application, host, port, False),
}


def serve(name, application, host, port):
    """Serve forever; raise KeyError for an unknown server."""
    SERVERS[name](application, host, port)
