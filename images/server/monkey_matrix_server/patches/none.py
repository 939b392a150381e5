"""Nothing is patched."""

NAME = "none"
PLACE = 0
PACKAGES = ()
PATCHES = False


def apply():
    """Do nothing."""
