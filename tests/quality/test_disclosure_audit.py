"""The audit of what is published fails when a rule is switched off, each by itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.quality.disclosure import Contradiction, audit, load_rules
from tests.quality.made_up_cells import CITY, Numbers, Persons, numbers, tell_persons, warehouse

RULES = load_rules()
FEW = np.array([[12, 3], [14, 18], [25, 30], [40, 33]])
"""Schools by gender, one cell of which is of few."""
MANY = np.array([[22, 23], [24, 28], [25, 30], [40, 33]])
RARE = np.array([[11, 22], [15, 17], [16, 20], [29, 21]])
"""Of `MANY` those who passed: of the first school's boys all but one."""


def test_what_is_published_by_all_rules_passes() -> None:
    found = audit(warehouse(numbers(FEW), RULES), RULES)
    assert found.cells == 15 and 4 <= found.withheld < 9 and not found.leaks


@pytest.mark.parametrize("fate", ["few", "partner"])
def test_it_fails_where_a_rule_is_not_kept(fate: str) -> None:
    """Cells of few told, or those that hide them: each is named, and what gives it away."""
    found = audit(warehouse(numbers(FEW), RULES, tell=fate), RULES)
    leaks = {(leak.cell["unit_code"], leak.cell["group_value"]): leak for leak in found.leaks}
    leak = leaks["S0", "male"]
    assert (leak.low, leak.high) == (3, 3) and "S0 gender male: 3 students" in str(leak)
    assert bool(leak.sums) == (fate == "partner")
    assert all("told" in words and "withheld" in words for words in leak.sums)


def test_it_fails_where_few_is_fewer_than_the_rule_says() -> None:
    found = audit(warehouse(numbers(FEW), replace(RULES, few=3)), RULES)
    assert [leak.cell["unit_code"] for leak in found.leaks] == ["S0"]


def test_it_fails_where_bounds_are_not_looked_at() -> None:
    """Two schools with two boys each: either sum has its partner, and yet each has 0 to 4."""
    draw = np.random.default_rng(5)
    leaking = 0
    for _ in range(30):
        given = numbers(draw.integers(1, 22, (4, 2)))
        assert not audit(warehouse(given, RULES), RULES).leaks
        leaking += bool(audit(warehouse(given, replace(RULES, narrow=0)), RULES).leaks)
    assert leaking


def rare() -> tuple[Numbers, Numbers]:
    return numbers(MANY), numbers(RARE)


def test_shares_that_are_published_by_all_rules_pass() -> None:
    given, passed = rare()
    found = audit(warehouse(given, RULES, passed), RULES)
    # The band, and no more than what a rectangle of schools and genders needs beside it.
    assert found.withheld == 0 and 2 <= found.shares <= 4 and not found.leaks


@pytest.mark.parametrize("share", ["band", "withheld"])
def test_it_fails_where_a_share_is_told_that_is_not_to_be(share: str) -> None:
    """A share that 22 of 23 have is told as it is; or those that hide it are."""
    given, passed = rare()
    found = audit(warehouse(given, RULES, passed, share=share), RULES)
    leak = {(leak.cell["unit_code"], leak.cell["group_value"]): leak for leak in found.leaks}[
        "S0", "male"
    ]
    assert (leak.low, leak.high, leak.of) == (22, 22, "passed")
    assert "S0 gender male: 22 passed" in str(leak)
    assert bool(leak.sums) == (share == "withheld")


def test_it_fails_where_rare_is_rarer_than_the_rule_says() -> None:
    given, passed = rare()
    found = audit(warehouse(given, replace(RULES, rare=1), passed), RULES)
    assert [leak.cell["unit_code"] for leak in found.leaks] == ["S0"]


def test_numbers_that_do_not_add_up_are_no_proof() -> None:
    con = warehouse(numbers(FEW), RULES)
    con.execute("update published.attainment set n = 20 where level = 'city' and n > 150")
    with pytest.raises(Contradiction):
        audit(con, RULES)


def observers(*districts: tuple[int, int], own: tuple[int, int] = (0, 0)) -> Persons:
    """A city and its districts: how many observers each has, and how many have done their duty.

    Args:
        districts: those of each district.
        own: those of the city itself.
    """
    rows: Persons = [("district", f"D{i}", CITY, n, met) for i, (n, met) in enumerate(districts)]
    if own[0]:
        rows.append(("district", f"{CITY}-", CITY, *own))
    n, met = (sum(column) for column in zip(*districts, own, strict=True))
    return [("city", CITY, None, n, met), *rows]


counts = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


FEW_OBSERVERS = observers((40, 39), (5, 3), (30, 20), (60, 41))
"""In D0 one has not done it, which is told as a band; in D1 there are five."""
RARE_OBSERVERS = observers((40, 39), (30, 20), (60, 41))


def leaks_of(given: Persons, tell: str = "", share: str = "") -> dict[str, str]:
    con = warehouse(numbers(MANY), RULES)
    tell_persons(con, given, RULES, tell=tell, share=share)
    return {leak.cell["unit_code"]: str(leak) for leak in audit(con, RULES).leaks}


def test_persons_that_are_published_by_all_rules_pass() -> None:
    assert leaks_of(FEW_OBSERVERS) == {}


@pytest.mark.parametrize(
    ("persons", "tell", "share", "unit"),
    [
        (FEW_OBSERVERS, "few", "", "D1"), (FEW_OBSERVERS, "partner", "", "D1"),
        (FEW_OBSERVERS, "", "band", "D0"), (RARE_OBSERVERS, "", "withheld", "D0"),
    ],
)  # fmt: skip
def test_it_fails_where_persons_are_told_that_are_not_to_be(
    persons: Persons, tell: str, share: str, unit: str
) -> None:
    """Few persons or a share of few, or what hides either: where one is told, the other is."""
    assert unit in leaks_of(persons, tell, share)


@given(districts=st.lists(counts, min_size=1, max_size=8), own=st.just((0, 0)) | counts)
@settings(max_examples=60, deadline=None)
def test_no_number_of_persons_can_be_worked_out(
    districts: list[tuple[int, int]], own: tuple[int, int]
) -> None:
    assert leaks_of(observers(*districts, own=own)) == {}


def test_schools_within_districts_hide_one_another_too() -> None:
    """Two schools of a district with 4 and 60 students checked: the district hides with them."""
    schools: Persons = [
        ("school", "A1", "D0", 4, 3), ("school", "A2", "D0", 60, 50),
        ("school", "B1", "D1", 70, 60), ("school", "B2", "D1", 80, 71),
    ]  # fmt: skip
    assert leaks_of([*observers((64, 53), (150, 131)), *schools]) == {}
