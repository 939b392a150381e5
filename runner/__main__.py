"""`python -m runner` is `matrix`."""

from runner.cli import main

main()
