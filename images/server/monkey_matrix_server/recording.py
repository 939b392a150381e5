"""Record when each request enters and leaves the application, in memory that the sidecar reads.

Every process writes a file of its own into /dev/shm, which it shares with the pod's sidecar. A
request is one record: when it entered and left (`CLOCK_MONOTONIC` in ns, 0: not yet), the status of
its answer (0: none, the application raised), and the length of its body in bytes. It leaves when
the server closes the answer. No lock, no system call: a count, two clock reads and two writes.
The names below are bound before any patch replaces them.
"""

import mmap
import os
import struct
import sys
import time

from monkey_matrix_server import contract, effects

now = time.monotonic_ns

RECORD = struct.Struct(contract.RECORD)
ENTERED, LEFT = struct.Struct("<q"), struct.Struct("<3q")
#: Requests that a process has memory for; only what is used is taken. More are not recorded.
CAPACITY = 1 << 20


class Recorded:
    """A WSGI application whose requests are recorded."""

    def __init__(self, application):
        self._application = application
        #: Done once a process, which no other request pays for.
        self.at_first_request = effects.write
        self.open_again()
        # A copy of the process would go on writing to the memory of the first.
        os.register_at_fork(after_in_child=self.open_again)

    def open_again(self):
        """Take memory of this process alone."""
        path = "%s%d-%d" % (contract.RECORDINGS, os.getpid(), now())
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.ftruncate(descriptor, CAPACITY * RECORD.size)
                self._memory = mmap.mmap(descriptor, CAPACITY * RECORD.size)
            finally:
                os.close(descriptor)
            # One less than there is room for: that the last is empty says that none is missing.
            self._offsets = iter(range(0, (CAPACITY - 1) * RECORD.size, RECORD.size))
        except OSError as error:
            print("requests are not recorded: %s" % error, file=sys.stderr)
            self._memory, self._offsets = None, iter(())

    def __getattr__(self, name):
        """Hooks of a server's may ask for what the application has."""
        return getattr(self._application, name)

    def __call__(self, environ, start_response):
        """Answer a request as the application does."""
        offset = next(self._offsets, None)
        if not offset:
            if offset is None:
                return self._application(environ, start_response)
            self.at_first_request()
        ENTERED.pack_into(self._memory, offset, now())
        answer = Answer(self._memory, offset, start_response)
        try:
            answer.parts = self._application(environ, answer.start)
        except BaseException:
            answer.status = 0
            answer.left()
            raise
        return answer


class Answer:
    """What the application answers to one request."""

    __slots__ = ("_memory", "_offset", "_start_response", "length", "parts", "status")

    def __init__(self, memory, offset, start_response):
        self._memory, self._offset, self._start_response = memory, offset, start_response
        self.status = self.length = 0

    def start(self, status, headers, *exc_info):
        """Begin the answer, and remember its status."""
        self.status = int(status[:3])
        return self._start_response(status, headers, *exc_info)

    def __iter__(self):
        for part in self.parts:
            self.length += len(part)
            yield part

    def close(self):
        """The server is done with the answer."""
        try:
            close = getattr(self.parts, "close", None)
            if close is not None:
                close()
        finally:
            self.left()

    def left(self):
        """Write that the request has left the application."""
        LEFT.pack_into(self._memory, self._offset + 8, now(), self.status, self.length)
