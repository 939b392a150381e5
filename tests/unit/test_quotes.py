"""What README and docs quote is what the published runs hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import quote


@pytest.mark.parametrize("path", quote.documents(), ids=lambda path: path.name)
def test_a_document_quotes_the_published_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert quote.renewed(text) == text, "`make docs` renews what is quoted"


def test_the_front_page_quotes_a_published_run() -> None:
    readme = (quote.ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- quote: matrix table results/published/sleep" in readme


def test_lines_of_a_file_are_quoted_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quote, "ROOT", tmp_path)
    (tmp_path / "stacks.txt").write_text("one\ntwo\nthree\nfour\n", encoding="utf-8")
    before = "a\n<!-- quote: lines 2-3 of stacks.txt -->\nold\n<!-- /quote -->\nb\n"
    after = before.replace("old\n", "```text\ntwo\nthree\n```\n")
    assert quote.renewed(before) == quote.renewed(after) == after
