"""The patch modes: what is patched before anything else is imported."""


def _gevent():
    from gevent import monkey

    monkey.patch_all()


def _gevent_socket():
    from gevent import monkey

    monkey.patch_socket()


def _gevent_select():
    from gevent import monkey

    monkey.patch_select()


def _gevent_time():
    from gevent import monkey

    monkey.patch_time()


def _grpc():
    from grpc.experimental import gevent

    gevent.init_gevent()


def _gevent_grpc():
    _gevent()
    _grpc()


MODES = {
    "none": lambda: None,
    "gevent": _gevent,
    "gevent-socket": _gevent_socket,
    "gevent-select": _gevent_select,
    "gevent-time": _gevent_time,
    "grpc": _grpc,
    "gevent+grpc": _gevent_grpc,
}


def apply(mode):
    """Patch as `mode` says; raise KeyError for an unknown one."""
    MODES[mode]()
