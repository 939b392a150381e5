"""What both sides of a container must agree on is written once, and both sides have it."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import contract
from runner.build import companions, images
from runner.build.bases import BaseImage
from runner.build.images import environment_recipe
from runner.build.lock import Lock
from runner.matrix import plugins
from runner.matrix.cell import EnvironmentRequest
from runner.paths import IMAGES

RUNNER = Path(contract.__file__).parent
PROGRAMS = sorted({*IMAGES.rglob("*.py"), *RUNNER.rglob("*.py")} - {contract.CONTRACT})
AGREED = {n: v for n, v in runpy.run_path(str(contract.CONTRACT)).items() if n.isupper()}
BASE = BaseImage(reference="below", image_id="sha256:below", key="below", origin="debian")
LOCK = Lock(request=EnvironmentRequest(python="3.11", requirements=()), platform="p", text="")


def test_the_runner_has_all_of_it() -> None:
    assert {name: getattr(contract, name) for name in AGREED} == AGREED


def literals(path: Path) -> Iterator[Any]:
    """The constants of a program, without what is only there to read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in texts:
            yield node.value


def _stands_in(agreed: object, text: str) -> bool:
    """Whether a text has it; two digits stand in every hash and in many versions."""
    return len(str(agreed)) > 2 and str(agreed) in text


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(path.parents[2])))
def test_nobody_writes_it_down_again(path: Path) -> None:
    found = [
        literal
        for literal in literals(path)
        for agreed in AGREED.values()
        if literal == agreed or (isinstance(literal, str) and _stands_in(agreed, literal))
    ]
    assert found == [], f"import it from {contract.CONTRACT.name}"


@pytest.mark.parametrize("name", ["server", *plugins.companions()])
def test_a_program_has_a_copy_and_another_contract_is_another_image(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> tuple[str, dict[str, bytes | None]]:
        if name == "server":
            recipe = environment_recipe(LOCK, (), BASE)
        else:
            kind = plugins.companions()[name]
            recipe = companions.Companion(kind=kind, lock=None).recipe((), BASE)
        return recipe.key, {f.path: f.content for layer in recipe.layers for f in layer.files}

    before, files = made()
    directory = "server/monkey_matrix_server" if name == "server" else "companion"
    assert files[f"{directory}/contract.py"] == contract.CONTRACT.read_bytes()
    (tmp_path / "contract.py").write_text("PORT = 1\n", encoding="utf-8")
    monkeypatch.setattr(images, "CONTRACT", tmp_path / "contract.py")
    assert made()[0] != before
