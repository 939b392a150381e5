"""`python3 -m monkey_matrix_server`, in the application's directory.

That directory is the first that Python looks in, as for `python3 -m gunicorn`. What this program
needs of the standard library is imported without it: an application may have a `resource.py`.
"""

import os
import sys

path = sys.path[:]
sys.path[:] = [entry for entry in path if entry not in ("", os.getcwd())]
from monkey_matrix_server import main

sys.path[:] = path

if __name__ == "__main__":
    main.main()
