"""An application's services, started once by themselves before anything is measured.

What ends or does not become ready would fail every launch, each after its time was over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.build.prepare import Prepared
from runner.commands.own import Own
from runner.engine.pod import APPLICATION, Pod, PodPlan
from runner.engine.protocol import Engine
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.cell import Limits
from runner.measurement import companion, evidence
from runner.measurement.clock import Clock
from runner.measurement.job import services_of

#: So many of the last lines that a service printed are shown.
SHOWN_LINES = 20


def try_services(
    engine: Engine, own: Own, prepared: Prepared, clock: Clock, say: Callable[[str], None]
) -> None:
    """Start the services, wait until all are ready, and remove them.

    Raises `EngineUnavailableError` with the name of one that does not, why, and what helps; what
    the services printed is said before that, without secrets.
    """
    images = {name: image.image_id for name, image in prepared.companions.items()}
    services = own.application.services
    plan = PodPlan(
        run="services",
        cell="services",
        server_image="",
        loadgen_image=prepared.loadgen.image_id,
        limits=Limits(),
        server_volumes=(APPLICATION,),
        companions=tuple(services_of(services, own.start(prepared.services), images)),
    )
    logs: Mapping[str, bytes] = {}
    try:
        with Pod(engine, plan) as pod:
            try:
                companion.wait_until_ready(pod, clock)
            except EngineError:
                logs = evidence.companion_logs(pod)
                raise
    except EngineError as error:
        for name, log in logs.items():
            lines = own.secrets.mask(log.decode("utf-8", "replace")).splitlines()[-SHOWN_LINES:]
            say("\n".join((f"{name}:", *(f"  {line}" for line in lines))))
        raise EngineUnavailableError(own.secrets.mask(str(error))) from None
