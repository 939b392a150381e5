"""Patches, loads an application, records its requests and serves it: what a cell runs.

`python3 -m monkey_matrix_server` does it. Runs from Python 3.8 up on nothing but the standard
library and the cell's packages. It is a package so that no module of an application has the name of
one of these.
"""
