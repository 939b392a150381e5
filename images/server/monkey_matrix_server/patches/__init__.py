"""What is patched before anything else is imported: one module per patch mode.

A module defines NAME, PLACE (its position in tables), PACKAGES (the distributions it imports) and
`apply()`. It may define

- PACKAGES_IF_NAMED: what it also imports where the matrix file names a version of it;
- ARGUMENTS: the arguments of `apply()`, which are True or False, each with its default, None where
  that depends on the version;
- PATCHES = False where it patches nothing, so that it does not matter where it stands.

Its top level imports nothing but the standard library, because the runner reads the module too.
"""
