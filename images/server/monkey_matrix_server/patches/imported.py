"""Imports what the other modes import, and patches nothing: what the import alone costs.

grpcio is imported where the cell has it, which is where the matrix file names it.
"""

NAME = "imported"
PLACE = 1
PACKAGES = ("gevent",)
PATCHES = False
PACKAGES_IF_NAMED = ("grpcio",)


def apply():
    """Import them."""
    import gevent  # noqa: F401
    from gevent import monkey  # noqa: F401

    try:
        import grpc  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "grpc":
            raise
        return
    from grpc.experimental import gevent as grpc_gevent  # noqa: F401
