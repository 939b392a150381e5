"""The module that uWSGI imports: its `application` is what is served."""

from monkey_matrix_server.servers import _uwsgi

application = _uwsgi.application()
