"""Our own workloads as an application: one route, which does the work of MATRIX_WORKLOAD."""

import os

from monkey_matrix_server import contract, plugins, workloads


def create_app():
    """Build the Flask application with the workload's one route."""
    from flask import Flask

    application = Flask("cell")
    workload = plugins.load(workloads)[os.environ.get("MATRIX_WORKLOAD", "sleep")]
    work = workload.make(plugins.settings(os.environ, "MATRIX_WORKLOAD", workload.PARAMETERS))

    @application.route("/")
    def answer():
        work()
        return contract.BODY

    return application
