"""gevent's own server: a greenlet for each request, all in one thread.

It works on as many requests as come where what they do is patched; where it is not, the first
blocking call stops the loop and with it every other request.
"""

NAME = "pywsgi"
PLACE = 2
PACKAGES = ("gevent",)
SETTINGS = {}
UNFIT = {}


def at_once(_settings):
    """No limit."""


def serve(make_application, host, port, _settings):
    """Serve forever."""
    from gevent.pywsgi import WSGIServer

    WSGIServer((host, port), make_application(), log=None).serve_forever()
