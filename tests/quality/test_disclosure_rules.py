"""Thresholds that macros of dbt use, where no cell has a fate, are those of the rules."""

from pathlib import Path

import yaml

from pipelines.quality.disclosure import load_rules

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project" / "dbt_project.yml"


def test_the_warehouse_has_the_same_thresholds() -> None:
    given = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))["vars"]
    rules = load_rules()
    assert given["withhold_below"] == rules.few
    assert given["small_below"] == rules.small
    assert given["whole_percent_below"] == rules.whole_percent
    assert given["many_from"] == rules.many
    assert given["rare_below"] == rules.rare
    assert given["bands"] == rules.bands
