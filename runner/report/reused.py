"""Which launches of a cell were not made by the run that they are in, in words."""

from __future__ import annotations

from collections.abc import Sequence

from runner.measurement.records import UNKNOWN_BOOT, LaunchRecord


def reused_text(launches: Sequence[LaunchRecord]) -> str | None:
    """Which launches are from another run: its day and boot, and whether they are a block."""
    numbers: dict[str, list[int]] = {}
    for launch in launches:
        if launch.reused_from:
            day = (launch.started_at or "")[:10]
            words = f"run {launch.reused_from} ({day}, {_boot(launch)})"
            numbers.setdefault(words, []).append(launch.launch)
    parts = [
        f"{'launches' if len(of_run) > 1 else 'launch'} {', '.join(map(str, of_run))} of {words}"
        for words, of_run in numbers.items()
    ]
    return "; ".join(parts) or None


def _boot(launch: LaunchRecord) -> str:
    """The boot of a reused launch in words: that of its run, or which."""
    if launch.is_of_its_round:
        return "same boot"
    boot = launch.other_boot or UNKNOWN_BOOT
    name = "boot not known" if boot == UNKNOWN_BOOT else f"boot {boot[:8]}"
    return f"{name}: a block of its own"
