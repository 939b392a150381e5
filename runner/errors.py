"""Every error this program reports, each with its exit code. Only `runner.cli.main` exits."""


class MatrixError(Exception):
    """An error the user can fix. The message says where it is and how to fix it."""

    exit_code = 2


class SpecError(MatrixError):
    """Something in the matrix file is wrong; the message starts with `file:line:column`."""


class UsageError(MatrixError):
    """A command line, a path or a run directory cannot be used as given."""


class EngineUnavailableError(MatrixError):
    """A container engine, base image or host tool that this run needs is not available."""

    exit_code = 3


class NoEngineError(EngineUnavailableError):
    """Nobody listens where the engine of this machine would: one can be installed, or started."""


class IndexUnavailableError(EngineUnavailableError):
    """The package index cannot be reached."""


class InterruptedRunError(MatrixError):
    """The run was interrupted; the message is the table of what was measured."""

    exit_code = 130


class RegressionError(MatrixError):
    """A comparison found a regression; the message is the comparison."""

    exit_code = 1


class ExpectationError(MatrixError):
    """An expectation of the matrix file was not met; the message says which."""

    exit_code = 1


class EngineError(Exception):
    """One engine call failed. A launch turns it into the outcome `engine-error`."""


class NotFoundError(EngineError):
    """The container or image is not (or no longer) there."""


def system_error(error: OSError) -> str:
    """An `OSError` that no command expects, as a message: the path, the reason and a hint."""
    reason = str(error.strerror or error)
    if not error.filename:
        return f"the system reports: {reason}; check disk space, permissions and open files"
    return (
        f"{error.filename}: {reason}; fix its permissions, check whether it should be a file or a "
        "directory, or use another path"
    )


#: What else than a `MemoryError` is raised where there is no memory left.
_NO_MEMORY = ("can't start new thread", "failed to map segment", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine, or a limit on this process, had no memory left, or no thread."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)
