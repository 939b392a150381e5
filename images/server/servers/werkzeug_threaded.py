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
    import logging

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    make_application().run(host=host, port=port, threaded=True)
