"""What one request does: one module per workload.

A module defines

- NAME, and PLACE, its position in tables;
- PARAMETERS: names with defaults (a number, a boolean, or a tuple of choices, the default first);
- PACKAGES and PACKAGES_BY: the distributions it imports, always and by the value of a parameter;
- COMPANION: the backing service it needs, a module of `images/companions`, or None;
- DISK: whether it needs a disk;
- CPU_BOUND: whether Python's lock makes a process work on one request at a time;
- ALONE: why no other cell may run beside it, or None;
- SERVICE_S: the parameter that sets the minimum time of a request, or None; if there is a parameter
  `spread`, by which requests take more or less time, it sets the mean;
- `make(parameters)`: called once at start-up, it returns the function that each request calls.

Its top level imports nothing but the standard library, because the runner reads the module too. It
looks up at each call what a patch replaces, because a patch may come late.
"""
