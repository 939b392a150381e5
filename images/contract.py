"""What the programs in the containers and the runner must agree on, written down once.

A copy is beside each program that imports it; on the host it is `runner.contract`. It imports
nothing, for it is loaded before a server is patched.
"""

#: Where the server listens, on the pod's loopback.
PORT = 7779
#: What it answers to `GET /`.
BODY = "Hello World"
#: How the files begin in which the server's processes record their requests, in memory that the
#: sidecar shares, and what one request is there: entry and exit in ns, status, length of the body.
RECORDINGS, RECORD = "/dev/shm/monkey-matrix-requests-", "<4q"  # noqa: S108

#: Exit status of a server that could not be patched or imported; it prints the traceback last.
IMPORT_FAILED = 81
#: Exit status of a server one of whose commands that come before it failed; it prints which, last.
BEFORE_FAILED = 82

#: The address of our own workloads, for a server that is given no other.
WORKLOAD_APPLICATION = "monkey_matrix_server.workload_app:create_app()"
#: The file that says when a server started, after the commands that come before it:
#: CLOCK_MONOTONIC in ns, in decimal.
STARTED = "/dev/shm/monkey-matrix-started"  # noqa: S108
#: How the files begin, one for each serving process, that say as JSON what is in effect in it.
EFFECTS = "/dev/shm/monkey-matrix-effects-"  # noqa: S108
#: How the files begin, one for each serving process, in which a first look is told of requests.
LOOKED = "/dev/shm/monkey-matrix-looked-"  # noqa: S108

#: How the pipes begin, one for each process of the server, that take a byte for a look at its
#: threads, and the files in which each writes what it saw: a line for a look, a Python literal.
ASK, STACKS = "/dev/shm/monkey-matrix-ask-", "/dev/shm/monkey-matrix-stacks-"  # noqa: S108
#: What it can be asked for: its threads, those and its greenlets, and also what was bound before
#: the patch.
THREADS_ONLY, WITH_GREENLETS, WITH_SCAN = 251, 252, 253
#: How the files begin, one for each process, in which gevent's monitor thread writes what blocked
#: the event loop.
BLOCKS = "/dev/shm/monkey-matrix-blocks-"  # noqa: S108

#: Headings of the server's dump of stacks, below what faulthandler writes, and its last line.
GROUPED = "=== threads, equal stacks once ==="
GREENLETS = "=== greenlets ==="
END_OF_DUMP = "=== end ==="
#: Marks the group of threads that the main thread is in.
MAIN_THREAD = "the main one among them"

#: What a companion prints when it has answered a request of its own.
COMPANION_READY = "companion ready"
