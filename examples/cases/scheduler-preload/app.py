"""A request gives a job to a scheduler that was started at import, and waits until it is done.

With gunicorn's preload the import happens in the master, and so does the scheduler's thread: a fork
takes no thread along but the one that forks.
"""

import threading
import time

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

app = Flask(__name__)
scheduler = BackgroundScheduler(executors={"default": {"type": "threadpool", "max_workers": 32}})
scheduler.start()


def job(done):
    time.sleep(0.1)
    done.set()


@app.route("/")
def answer():
    done = threading.Event()
    scheduler.add_job(job, args=(done,), misfire_grace_time=None)
    done.wait()
    return "Hello World"
