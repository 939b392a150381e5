"""The real gunicorn: its command line, its configuration, its hooks, and its errors."""

from __future__ import annotations

import re
import signal

import pytest

from runner import contract
from tests.support import gunicorn_shop
from tests.support.gunicorn_shop import ADDRESS, ANSWER
from tests.support.program import Program, eventually


@pytest.fixture
def shop(served: Program) -> Program:
    gunicorn_shop.write(served)
    return served


def test_the_configuration_that_lies_there_is_read_and_the_cell_wins(shop: Program) -> None:
    answer, effects = gunicorn_shop.served(shop, MATRIX_SERVER_THREADS="2")
    assert answer == ANSWER
    assert shop.log.splitlines() == [
        f"on_starting {ADDRESS}",
        "post_fork ThreadWorker 1 2",
        "created in the worker",
        "post_worker_init shop 10",
    ]
    assert effects["application"] == "application.Shop"
    assert effects["worker_class"] == "gthread"
    assert effects["gunicorn_config"] == "gunicorn.conf.py"
    assert effects["overridden"] == {
        "accesslog": "- → None",
        "bind": f"['0.0.0.0:80'] → ['127.0.0.1:{shop.port}']",
        "daemon": "True → False",
        "pidfile": "/proc/nobody/can/write.pid → None",
        "threads": "9 → 2",
        "timeout": "30 → 86400",
        "workers": "4 → 1",
    }


@pytest.mark.parametrize(
    ("named", "where", "read"),
    [
        ("conf/production.conf", "conf/production.conf", "conf/production.conf"),
        ("python:conf.production", "conf/production.py", "python:conf.production"),
    ],
)
def test_a_configuration_may_be_a_file_of_any_name_or_a_module(
    shop: Program, named: str, where: str, read: str
) -> None:
    (shop.cwd / "conf").mkdir()
    (shop.cwd / where).write_text("raw_env = ['TOLD=elsewhere']\n", encoding="utf-8")
    answer, effects = gunicorn_shop.served(shop, MATRIX_GUNICORN_CONFIG=named)
    assert (answer, effects["gunicorn_config"]) == ("hello! elsewhere", read)
    assert effects["overridden"] == {}


def test_it_listens_for_no_commands(shop: Program) -> None:
    """Its control socket would lie in the home, which is not for others to write to."""
    told = "def when_ready(server): print(server.cfg.control_socket_disable, flush=True)\n"
    (shop.cwd / "gunicorn.conf.py").write_text(told, encoding="utf-8")
    gunicorn_shop.served(shop)
    assert shop.log.splitlines()[0] == "True"


def test_none_reads_no_configuration(shop: Program) -> None:
    answer, effects = gunicorn_shop.served(shop, MATRIX_GUNICORN_CONFIG="none")
    assert (answer, effects["gunicorn_config"], effects["overridden"]) == ("hello!", None, {})
    assert "on_starting" not in shop.log


def test_sync_stays_sync_whatever_threads_a_configuration_names(shop: Program) -> None:
    _, effects = gunicorn_shop.served(shop, "gunicorn-sync")
    assert effects["worker_class"] == "sync"
    assert effects["overridden"]["threads"] == "9 → 1"


def test_arguments_of_the_author_and_of_gunicorns_own_variable_count(shop: Program) -> None:
    _, effects = gunicorn_shop.served(
        shop,
        MATRIX_ARGS='["--worker-connections=20", "--keep-alive=7", "--workers=3"]',
        GUNICORN_CMD_ARGS="--worker-connections=30 --keep-alive=5 --threads=8",
    )
    assert "post_worker_init shop 20" in shop.log
    overridden = effects["overridden"]
    assert (overridden["workers"], overridden["threads"]) == ("3 → 1", "8 → 16")
    assert {"keepalive", "worker_connections"}.isdisjoint(overridden)


def test_preloaded_it_is_loaded_in_the_master_and_recorded_in_the_worker(shop: Program) -> None:
    answer, effects = gunicorn_shop.served(shop, MATRIX_ARGS='["--preload"]')
    assert (answer, effects["application"]) == (ANSWER, "application.Shop")
    assert "created in the master" in shop.log
    assert len(list(shop.directory.glob("shared-requests-*"))) == 2


def test_a_worker_class_of_its_own(shop: Program) -> None:
    (shop.cwd / "workers.py").write_text(
        "from gunicorn.workers.sync import SyncWorker\nclass Own(SyncWorker): pass\n",
        encoding="utf-8",
    )
    answer, effects = gunicorn_shop.served(shop, MATRIX_WORKER_CLASS="workers.Own")
    assert (answer, effects["worker_class"]) == (ANSWER, "workers.Own")
    assert "post_fork Own" in shop.log


@pytest.mark.parametrize("preload", ["[]", '["--preload"]'])
@pytest.mark.parametrize(
    ("address", "last"),
    [
        ("broken:app", "ModuleNotFoundError: No module named 'not_there'"),
        ("application:missing", "Failed to find attribute 'missing' in 'application'."),
        ("closed:app", "it called sys.exit('no SECRET_KEY') while it was imported"),
    ],
)
def test_an_application_that_cannot_be_imported_is_an_import_error(
    shop: Program, preload: str, address: str, last: str
) -> None:
    (shop.cwd / "broken.py").write_text("import not_there\n", encoding="utf-8")
    (shop.cwd / "closed.py").write_text("raise SystemExit('no SECRET_KEY')\n", encoding="utf-8")
    status = shop.ended(
        MATRIX_APPLICATION=address, MATRIX_SERVER="gunicorn-sync", MATRIX_ARGS=preload
    )
    assert status == contract.IMPORT_FAILED
    exception = [line for line in shop.log.splitlines() if not line.startswith("[20")][-1]
    assert exception.endswith(last)


@pytest.mark.parametrize(
    ("configuration", "last"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("workers = 'many'", "Error: invalid literal for int() with base 0: 'many'"),
        ("def on_starting(server): raise ValueError('no licence')", "ValueError: no licence"),
    ],
)
def test_a_configuration_that_fails_is_an_import_error(
    shop: Program, configuration: str, last: str
) -> None:
    (shop.cwd / "gunicorn.conf.py").write_text(configuration, encoding="utf-8")
    status = shop.ended(MATRIX_APPLICATION=ADDRESS, MATRIX_SERVER="gunicorn-sync")
    assert status == contract.IMPORT_FAILED
    assert shop.log.splitlines()[-1] == last


def test_wrong_arguments_are_named(shop: Program) -> None:
    status = shop.ended(
        MATRIX_APPLICATION=ADDRESS, MATRIX_SERVER="gunicorn-sync", MATRIX_ARGS='["--thread-s"]'
    )
    assert status == 2
    assert shop.log.splitlines()[-1].startswith("gunicorn: error: ")
    assert "--thread-s" in shop.log.splitlines()[-1]


def test_a_worker_dumps_its_stacks_preloaded_or_not(shop: Program) -> None:
    variables = {"MATRIX_APPLICATION": ADDRESS, "MATRIX_SERVER": "gunicorn-gthread"}
    with shop.started(**variables, MATRIX_ARGS='["--preload"]') as process:
        shop.answer(process)
        process.send_signal(signal.SIGUSR1)
        # The master dumps its own, too.
        assert eventually(lambda: shop.log.count(contract.END_OF_DUMP) == 2)
    assert "workers/gthread.py" in shop.log
    # What faulthandler writes by itself, also while C code holds the interpreter's lock.
    assert re.search("^(Current t|T)hread 0x", shop.log, re.MULTILINE)
