"""What one request does: one module a workload.

A module says NAME, PLACE (its order in tables), PARAMETERS (names and what they are where nothing
is said: a number, a truth, or the choices with the first as default), PACKAGES and PACKAGES_BY (the
distributions it imports, always and by the value of a parameter), COMPANION (the service it talks
to, a module of `images/companions`, or None), DISK (whether it needs one), CPU_BOUND (whether
Python's lock lets a process do one at a time), ALONE (whether no other cell may run beside it, and
then why) and SERVICE_S (the parameter that says how long a request takes at the least, or None; a
parameter `spread` says by how many seconds more or less, and then SERVICE_S is the mean), and has
`make(parameters)`: called once at start-up, it returns the function that a request calls. It
imports nothing but the standard library at its top, and what a patch replaces it looks up at each
call: the runner reads it too, and patches may come late.
"""
