"""Thresholds that macros of dbt use, where no cell has a fate, are those of the rules."""

from pathlib import Path

import yaml

from pipelines.quality.disclosure import load_rules
from pipelines.quality.disclosure.published import OF_A_PAPER

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project" / "dbt_project.yml"


def test_the_warehouse_has_the_same_thresholds() -> None:
    given = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))["vars"]
    rules = load_rules()
    assert given["withhold_below"] == rules.few
    assert given["small_below"] == rules.small
    assert given["whole_percent_below"] == rules.whole_percent
    assert given["many_from"] == rules.many
    assert given["revised_below"] == rules.revised
    assert given["rare_below"] == rules.rare
    assert given["bands"] == rules.bands


def test_the_audit_looks_at_what_the_warehouse_holds() -> None:
    given = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))["vars"]["held"]
    paper = ["wave_id", "grade", "subject"]
    of_a_paper = {name: told for name, told in given.items() if told["key"][:3] == paper}
    assert given.keys() - of_a_paper.keys() == {"community_gap"}
    assert {
        name: (tuple(told["key"][3:]), tuple(told["figures"])) for name, told in of_a_paper.items()
    } == OF_A_PAPER
