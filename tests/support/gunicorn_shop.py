"""An application with a gunicorn configuration that has hooks, and what comes of it when served."""

from __future__ import annotations

import json
from typing import Any

from tests.support.program import Program

#: Not a Flask, and modules of its own with names that the server program has, too.
APPLICATION = """
import contract, main, resource, servers
import os

assert {contract.whose, main.whose, resource.whose, servers.whose} == {"the application's"}


class Shop:
    title = "shop"

    def __init__(self, greeting):
        self.greeting = greeting

    def __call__(self, environ, start_response):
        body = " ".join([self.greeting, *os.environ.get("TOLD", "").split()]).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


def create_app(greeting, punctuation=""):
    print("created in the", "worker" if os.environ.get("FORKED") else "master", flush=True)
    return Shop(greeting + punctuation)
"""
CONFIGURATION = """
import os

workers, threads, worker_class, timeout = 4, 9, "gthread", 30
bind, accesslog, daemon = "0.0.0.0:80", "-", True
pidfile = "/proc/nobody/can/write.pid"
raw_env = ["TOLD=by the configuration"]
worker_connections = 10


def on_starting(server):
    print("on_starting", server.cfg.default_proc_name, flush=True)


def post_fork(server, worker):
    os.environ["FORKED"] = "1"
    print("post_fork", type(worker).__name__, worker.cfg.workers, worker.cfg.threads, flush=True)


def post_worker_init(worker):
    print("post_worker_init", worker.wsgi.title, worker.cfg.worker_connections, flush=True)
"""
ADDRESS = "application:create_app('hello', punctuation='!')"
ANSWER = "hello! by the configuration"


def write(program: Program) -> None:
    """Write the application and its configuration into the program's working directory."""
    (program.cwd / "application.py").write_text(APPLICATION, encoding="utf-8")
    (program.cwd / "gunicorn.conf.py").write_text(CONFIGURATION, encoding="utf-8")
    for name in ("contract", "main", "resource", "servers"):
        path = program.cwd / f"{name}.py"
        path.write_text('whose = "the application\'s"\n', encoding="utf-8")


def served(
    program: Program, server: str = "gunicorn-gthread", **variables: str
) -> tuple[str, dict[str, Any]]:
    """Serve it for one request: the answer, and what was in effect."""
    variables = {"MATRIX_APPLICATION": ADDRESS, "MATRIX_SERVER": server} | variables
    with program.started(**variables) as process:
        answer = program.answer(process)
    (effects,) = program.shared("effects")
    return answer, json.loads(effects)
