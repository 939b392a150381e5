"""Uses what has no wheel: an sdist of the index, one with a C extension, and a git source."""

import debts
import native
import ours

from right import app

assert (native.answer(), ours.ANSWER, bool(debts.settle)) == (42, 42, True)
