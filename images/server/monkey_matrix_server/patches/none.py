"""Nothing is patched."""

NAME = "none"
PLACE = 0
PACKAGES = ()


def apply():
    """Do nothing."""
