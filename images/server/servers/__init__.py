"""What serves the application: one module a server.

A module says NAME, PLACE (its order in tables), PACKAGES (the distributions it imports), SETTINGS
(names and whole numbers they have where nothing is said) and UNFIT (patch modes that it makes no
sense with, and why), and has `at_once(settings)`, how many requests it works on at the same time
(None: as many as come), and `serve(make_application, host, port, settings)`, which never returns.
It imports nothing but the standard library at its top: the runner reads it too. No server writes an
access log: that would be measured as well.
"""
