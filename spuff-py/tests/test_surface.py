"""The names are the contract's: one list of verbs for all languages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import spuff

REPOSITORY = Path(__file__).parents[2]
VERBS = (REPOSITORY / "tests" / "verbs.txt").read_text().split()
STUB = ast.parse((REPOSITORY / "spuff-py" / "python" / "spuff" / "_verbs.pyi").read_text())


@pytest.mark.parametrize("name", ["Provider", "AsyncProvider"])
def test_both_faces_have_every_verb_and_no_other(name: str) -> None:
    stubs = {one.name: one for one in STUB.body if isinstance(one, ast.ClassDef)}
    typed = {
        method.name
        for base in (name, "Verbs")
        for method in stubs[base].body
        if isinstance(method, ast.FunctionDef)
    }
    there = set(dir(getattr(spuff, name)))
    assert set(VERBS) <= typed
    assert set(VERBS) <= there
    own = {"aio", "blocking", "fleet", "instance", "watch_create_instances"}
    assert {verb for verb in typed | there if not verb.startswith("_")} - own == set(VERBS)


def test_everything_that_is_offered_is_there() -> None:
    for name in spuff.__all__:
        assert getattr(spuff, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        spuff.no_such_name  # noqa: B018
    assert spuff.__version__.count(".") == 2
