from __future__ import annotations

from typing import Any

from runner.matrix import schema
from runner.matrix.placements import PLACEMENTS
from runner.matrix.plugins import patches, servers, workloads
from runner.matrix.schema import ExperimentSection
from tests.unit.matrix.matrices import REPOSITORY


def experiment() -> Any:
    return schema.json_schema()["properties"]["experiments"]["additionalProperties"]


def test_the_committed_schema_is_the_models() -> None:
    committed = (REPOSITORY / "matrix.schema.json").read_text(encoding="utf-8")
    assert committed == schema.text(), "python -m runner.matrix.schema > matrix.schema.json"


def test_the_matrix_file_names_the_schema_for_editors() -> None:
    first = (REPOSITORY / "matrix.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=matrix.schema.json"


def test_every_key_of_an_experiment_and_no_other() -> None:
    assert list(experiment()["properties"]) == list(ExperimentSection.model_fields)
    assert experiment()["additionalProperties"] is False
    assert not experiment()["required"]


def test_versions_may_be_numbers_and_one_value_stands_for_a_list() -> None:
    axes = schema.json_schema()["$defs"]["Axes"]["properties"]
    packages = experiment()["properties"]["packages"]["additionalProperties"]
    text_or_number = [{"type": "string"}, {"type": "number"}]
    for forms in (axes["python"]["anyOf"], axes["gevent"]["anyOf"], packages["anyOf"]):
        single, several = forms
        assert single["anyOf"] == text_or_number
        assert (several["type"], several["items"]) == ("array", single)


def test_words_are_those_of_the_program() -> None:
    axes = schema.json_schema()["$defs"]["Axes"]["properties"]
    for axis, words in (("placement", PLACEMENTS), ("workload", workloads())):
        single, several = axes[axis]["anyOf"]
        assert single["enum"] == several["items"]["enum"] == list(words)
    assert axes["patch"]["anyOf"][0]["anyOf"][0]["enum"] == list(patches())
    by_name = axes["server"]["anyOf"][0]["anyOf"][1]["properties"]
    assert by_name["name"]["enum"] == list(servers())
