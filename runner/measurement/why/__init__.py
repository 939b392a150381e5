"""Why a cell waits, serialises, hangs or answers wrongly: from what was seen to one line."""
