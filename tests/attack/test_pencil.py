"""What a pencil works out holds of all numbers that fit, and is as much as subtraction gives."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.attack.pencil import MOST, Contradiction, Pencil


def test_one_sum_tells_another() -> None:
    pencil = Pencil()
    pencil.between("district", 60, 60)
    pencil.between("large", 53, 53)
    pencil.adds_up("district", ["large", "small"])
    pencil.adds_up("small", ["girls", "boys"], beyond=1)
    pencil.between("boys", 4)
    pencil.at_least("boys", "tall")
    at = pencil.worked_out()
    assert at["small"] == (7, 7) and at["girls"] == (0, 2) and at["boys"] == (4, 6)
    assert at["tall"] == (0, 6)


def test_sums_together_tell_what_none_tells() -> None:
    """Of three schools two by two: each pair says little, all pairs say all."""
    pencil = Pencil()
    for total, (one, other), n in zip("xyz", ("ab", "bc", "ac"), (4, 5, 3), strict=True):
        pencil.between(total, n, n)
        pencil.adds_up(total, [one, other])
    at = pencil.worked_out()
    assert [at[name] for name in "abc"] == [(1, 1), (3, 3), (2, 2)]


def test_what_nothing_bounds_stays_open() -> None:
    pencil = Pencil()
    pencil.adds_up("all", ["these", "those"])
    assert set(pencil.worked_out().values()) == {(0, int(MOST))}


def test_what_cannot_be_is_said() -> None:
    pencil = Pencil()
    pencil.between("all", 3, 3)
    pencil.between("these", 4)
    pencil.adds_up("all", ["these", "those"])
    with pytest.raises(Contradiction):
        pencil.worked_out()


@given(data=st.data())
def test_no_number_that_fits_is_left_out(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 6), min_size=2, max_size=5))
    told = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    parts = st.lists(st.integers(0, len(values) - 1), min_size=1, unique=True)
    pencil = Pencil()
    for at, (value, is_told) in enumerate(zip(values, told, strict=True)):
        pencil.between(at, *((value, value) if is_told else (0, 20)))
    for number, own in enumerate(data.draw(st.lists(parts, max_size=4))):
        total = sum(np.array(values)[own].tolist())
        pencil.between(("sum", number), total, total)
        pencil.adds_up(("sum", number), own)
    found = pencil.worked_out()
    assert all(found[at][0] <= value <= found[at][1] for at, value in enumerate(values))


def test_the_attack_shares_no_code_with_what_it_attacks() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0] in ("pipelines", "dashboards")]
