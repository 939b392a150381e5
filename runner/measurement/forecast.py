"""What a launch's load will be, as far as its check and its calibration have shown."""

from __future__ import annotations

from dataclasses import dataclass

from runner.measurement.agent import CalibrateReply, CheckReply
from runner.measurement.job import Job
from runner.measurement.load import (
    AB_CPU_S_PER_REQUEST,
    RATE_CPU_S_PER_REQUEST,
    SERIALISED_BELOW,
    SHORTEST_TOLD_S,
    Load,
    at_once_seen,
    cut_load,
    full_load,
)

#: A load that is cut is made no smaller than to this share for a slow burst: that may be a pause.
SLOWEST = 0.5


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A launch to make, with what is known of its server so far."""

    job: Job
    checked: CheckReply | None = None
    calibrated: CalibrateReply | None = None

    @property
    def cpu_share(self) -> float | None:
        """CPUs that server and load generator will keep busy, None before calibration.

        CPU seconds of the calibration's requests, times the rate the load can reach.
        """
        calibrated, load = self.calibrated, self.load()
        if calibrated is None or calibrated.cpu_s_per_request is None:
            return None
        sending_s = RATE_CPU_S_PER_REQUEST if load.rate else AB_CPU_S_PER_REQUEST
        cpu_s = calibrated.cpu_s_per_request + sending_s
        return cpu_s * load.requests / self.shortest_load_s

    @property
    def is_serial(self) -> bool:
        """Whether requests are taken one by one: by the server's rule, or as calibration saw."""
        if self.job.cell.is_serial:
            return True
        if self.calibrated is None or self.service_s < SHORTEST_TOLD_S:
            return False
        return self.calibrated.factor < SERIALISED_BELOW

    @property
    def service_s(self) -> float:
        """How long one request takes when it is alone, in seconds."""
        return self.checked.lone_s if self.checked else self.job.cell.workload.service_s or 0.0

    @property
    def shortest_load_s(self) -> float:
        """The shortest time in seconds that the load about to be sent can take."""
        load = self.load()
        if load.rate:
            return max(load.requests / load.rate, self.service_s * load.requests / self.at_once)
        return self.service_s * load.requests / min(load.concurrency, self.at_once)

    @property
    def at_once(self) -> float:
        """How many requests the server works on at a time, as far as the check has shown."""
        if self.is_serial:
            return self._one_by_one
        many_factor = self.calibrated.many_factor if self.calibrated else None
        return at_once_seen(self.job.cell, many_factor)

    @property
    def _one_by_one(self) -> float:
        """One at a time, less where the burst's took longer than alone: others use the CPUs."""
        if self.calibrated is None or self.service_s < SHORTEST_TOLD_S:
            return 1.0
        return min(1.0, max(SLOWEST, self.calibrated.factor))

    @property
    def ceiling_lone_s(self) -> float | None:
        """How long a lone request took in seconds, where its workload does not define that.

        In the application if that was recorded: less than that no client ever waits.
        """
        if self.checked is None or self.job.cell.workload.service_s is not None:
            return None
        return self.checked.service_s or self.checked.lone_s

    def load(self) -> Load:
        """What will be sent: the load as asked for, or what the server can answer of it in time."""
        cell, limits = self.job.cell, self.job.limits
        if self.checked and self.at_once < cell.most_in_flight:
            return cut_load(cell, limits, self.checked.lone_s, self.at_once)
        return full_load(cell, limits, self.job.opening, self.service_s)
