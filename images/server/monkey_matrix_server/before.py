"""What an application needs done before its server starts: shell commands, one after the other.

They run in processes of their own, so that nothing is imported for them before a patch, and nothing
in them is patched.
"""

import os
import sys


def run(commands):
    """Run a JSON list of commands, if there is one; False as soon as one of them fails."""
    if not commands:
        return True
    import json

    for command in json.loads(commands):
        status = run_in_shell(command)
        if status:
            print("before: %s ended with status %d" % (command, status), file=sys.stderr)
            return False
    return True


def run_in_shell(command):
    """Return what a command ends with, as a shell has it: 128 and more is a signal."""
    sys.stdout.flush()
    process = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", command], os.environ)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
