"""`python -m runner` is `matrix`."""

import signal
import sys

# While this imports, Ctrl-C ends it as it ends any program; from `main` on it is answered.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    from runner.cli import main
except MemoryError:
    sys.stderr.write("error: no memory left to begin with; end other programs, or raise limits\n")
    sys.exit(2)

if __name__ == "__main__":
    main()
