"""Sends an event with confluent-kafka and waits for its delivery, 0.3 s. No broker is there."""

from confluent_kafka import Producer
from flask import Flask

app = Flask(__name__)
producer = Producer({"bootstrap.servers": "127.0.0.1:9", "log_level": 0, "message.timeout.ms": 200})


@app.route("/")
def answer():
    """Answer a request."""
    producer.produce("visits", b"x")
    producer.flush(0.3)
    return "Hello World"
