"""Secrets out of records: every text that a program or a container wrote is masked.

Names are not: those that the matrix file gives to cells, axes and packages are public, and a record
whose names were masked could not be read again. What is new in a record is masked until it is
listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from runner.application.secret_values import Secrets
from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.records import LaunchRecord, Record
from runner.store.application_record import ApplicationRecord, RequestRecord, ResponseRecord
from runner.store.records import (
    BaseRecord,
    Block,
    CellRecord,
    CompanionRecord,
    EnvironmentRecord,
    ExpectationRecord,
    Host,
    MethodRecord,
    RunRecord,
    UnavailableCell,
)
from runner.store.service_record import ServiceRecord

RecordT = TypeVar("RecordT", bound=Record)
#: Fields that hold names, digests, versions and moments, by their record.
NAMES: Final[Mapping[type[Record], frozenset[str]]] = {
    LaunchRecord: frozenset({"cell", "started_at", "reused_from", "other_boot", "block"}),
    DiagnosisRecord: frozenset({"cell", "made_in", "started_at", "gevent"}),
    CellRecord: frozenset(CellRecord.model_fields),
    UnavailableCell: frozenset(CellRecord.model_fields),
    EnvironmentRecord: frozenset({"python", "lock", "lock_digest", "base", "image_id"}),
    BaseRecord: frozenset(BaseRecord.model_fields),
    Block: frozenset(Block.model_fields),
    CompanionRecord: frozenset(CompanionRecord.model_fields),
    ExpectationRecord: frozenset(ExpectationRecord.model_fields),
    Host: frozenset(Host.model_fields),
    MethodRecord: frozenset(MethodRecord.model_fields) - {"notes"},
    ApplicationRecord: frozenset(ApplicationRecord.model_fields)
    - {"prepare", "before", "environment", "args", "services", "request", "response"},
    ServiceRecord: frozenset(ServiceRecord.model_fields)
    - {"image", "entrypoint", "command", "environment", "check"},
    RequestRecord: frozenset(RequestRecord.model_fields) - {"path"},
    ResponseRecord: frozenset(ResponseRecord.model_fields) - {"text"},
    RunRecord: frozenset(
        {"run_id", "experiment", "started_at", "finished_at", "axes", "baseline", "shard"}
    ),
}


def masked(record: RecordT, secrets: Secrets) -> RecordT:
    """The record without secrets in any of its texts."""
    if not secrets.values:
        return record
    names = NAMES.get(type(record), frozenset())
    update = {}
    for name in type(record).model_fields:
        was = getattr(record, name)
        if name not in names and (now := _masked(was, secrets)) != was:
            update[name] = now
    return record.model_copy(update=update) if update else record


def _masked(value: Any, secrets: Secrets) -> Any:  # noqa: ANN401 - whatever a record's field is
    if isinstance(value, Record):
        return masked(value, secrets)
    if type(value) is str:  # no member of an enumeration, whose words are this program's
        return secrets.mask(value)
    if type(value) is tuple:
        return tuple(_masked(one, secrets) for one in value)
    if isinstance(value, Mapping):
        return {key: _masked(one, secrets) for key, one in value.items()}
    return value
