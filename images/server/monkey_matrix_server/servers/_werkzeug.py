"""What the ways of running Werkzeug's server have in common: how Flask's `run` starts it."""


def serve(make_application, host, port, threaded):
    """Serve forever."""
    import logging

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = make_application()
    from werkzeug.serving import run_simple

    run_simple(host, port, application, threaded=threaded)
