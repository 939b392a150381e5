"""What is patched before anything else is imported: one module a mode.

A module says NAME, PLACE (its order in tables), PACKAGES (the distributions it imports) and has
`apply()`. It imports nothing but the standard library at its top: the runner reads it too.
"""
