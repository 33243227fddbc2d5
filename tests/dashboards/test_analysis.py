"""The analyst area says what the record says, with every reason in words, and claims no more."""

from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import yaml

from dashboards.analysis.diagnostics import differ_said, stability_said
from dashboards.analysis.note import Rules, view
from dashboards.analysis.record import Paper, Wave, path_word
from dashboards.pages.sentences import Teller
from pipelines.settings import PROJECT, Covariate, Settings
from pipelines.wording import LANGUAGES, translator
from pipelines.wording.labels import reason_name, term_name

MARTS = PROJECT / "dbt_project" / "models" / "marts" / "evaluation"
RULES = Rules("standard", (), ("standard",), (6, 60), 10, 0.7, 0.1)


def record(**changes: Any) -> dict[str, Any]:
    """The record of a two-level model."""
    own: dict[str, Any] = {
        "state": "estimated",
        "reason": None,
        "n": 480,
        "schools": 12,
        "match_rate": 0.96,
        "terms": ["constant", "prior_z"],
        "coefficients": [0.01, 0.6],
        "standard_errors": [0.05, 0.03],
        "dropped": ["no_others"],
        "variance_student": 0.49,
        "variance_school": 0.04,
        "variance_school_low": 0.01,
        "variance_school_high": 0.16,
        "icc": 0.075,
        "r_squared": 0.41,
        "lr_p": 0.0004,
        "simple_correlation": 0.93,
    }
    return own | changes


def paper(**changes: Any) -> Paper:
    """A paper of two schools, and nothing but its two-level record."""
    columns = ["is_same_in_all", "one_less_turns", "missing_turns"]
    effects = pd.DataFrame(
        {
            "level": "school",
            "unit_code": ["1", "2"],
            "present": [300, 200],
            "effect": [0.3, None],
            "reliability": [0.8, None],
            "band": ["above", None],
            **dict.fromkeys(columns, True),
        }
    )
    own: dict[str, Any] = {
        "grade": 6,
        "subject": "chinese",
        "schools": record(),
        "districts": None,
        "effects": effects,
        "by_model": pd.DataFrame(),
        "variants": [],
        "curve": pd.DataFrame(),
        "fairness": [],
        "error": None,
        "growth": [],
        "years": [],
        "earlier": pd.DataFrame(),
        "prior_waves": ("spring",),
    }
    return Paper(**own | changes)


def noted(*papers: Paper, lang: Any = "en") -> dict[str, Any]:
    wave = Wave("w", "2025-2026", "W", list(papers))
    return dict(view(wave, RULES, "numpy 2; code 0123", lang).context)


def related(low: float, r: float, high: float, characteristic: str = "intake") -> dict[str, Any]:
    return {
        "model": "standard",
        "characteristic": characteristic,
        "state": "estimated",
        "reason": None,
        "correlation": r,
        "ci_low": low,
        "ci_high": high,
    }


def test_every_reason_and_term_has_words_in_both_languages() -> None:
    reasons = {
        reason
        for file in ("value_added", "checks", "growth")
        for model in yaml.safe_load((MARTS / f"{file}.yml").read_text(encoding="utf-8"))["models"]
        for test in model.get("data_tests", [])
        if isinstance(test, dict) and "only_values" in test
        for reason in test["only_values"]["arguments"]["values"].get("reason", [])
    }
    assert len(reasons) > 20
    for words in map(translator, LANGUAGES):
        assert not {reason for reason in reasons if reason_name(reason, words) == reason}
        assert not {t for t in get_args(Covariate) if "_" in t and term_name(t, words) == t}
    assert reason_name("odd", translator("zh")) == "odd"


def test_rules_are_those_of_the_settings(tmp_path: Path) -> None:
    settings = Settings.load(
        raw=tmp_path / "raw",
        home=tmp_path / "home",
        pseudonym_key_file=tmp_path / "k",
        value_added_models={"b": ["female"], "a": []},
    )
    assert Rules.of(settings.figures()) == Rules(
        "b", ("female",), ("b", "a"), (6, 60), 10, 0.7, 0.1
    )


@pytest.mark.parametrize(("p", "said"), [(0.0499, "Schools differ"), (0.05, "cannot be told")])
def test_schools_differ_only_where_the_test_says_so(p: float, said: str) -> None:
    sentence = differ_said(Teller("en"), record(lr_p=p))
    assert said in sentence and "0.20 (0.10 to 0.40)" in sentence


@pytest.mark.parametrize(
    ("low", "r", "high", "said"),
    [
        (0.1, 0.5, 0.8, "Effects go with"),
        (-0.8, -0.5, -0.1, "Effects go against"),
        (-0.01, 0.4, 0.7, "cannot be told"),
        (0.0, 0.4, 0.7, "cannot be told"),
    ],
)
def test_years_are_related_only_where_the_interval_says_so(
    low: float, r: float, high: float, said: str
) -> None:
    row = related(low, r, high) | {"earlier_year": "2024-2025", "n": 12}
    assert said in stability_said(Teller("en"), row)
    none = row | {"state": "not_estimated", "reason": "too_few_schools"}
    assert "too few schools" in stability_said(Teller("en"), none)


def test_intake_is_named_only_where_its_interval_leaves_out_0() -> None:
    beyond = paper(fairness=[related(0.2, 0.5, 0.7)])
    within = paper(grade=9, fairness=[related(-0.2, 0.1, 0.4)])
    (said, *_) = noted(beyond, within)["checked"]
    assert (
        said == "Effects are related to the mean earlier score of the school in: Grade 6 Chinese."
    )
    (said, *_) = noted(within)["checked"]
    assert "No relation" in said
    assert noted(paper())["checked"] == []


def test_what_is_not_estimated_is_said_with_its_reason() -> None:
    refused = record(state="not_estimated", reason="one_group", lr_p=None)
    papers = [
        paper(districts=record(state="not_estimated", reason="upper_is_group")),
        paper(grade=9, schools=refused),
    ]
    assert noted(*papers, lang="zh")["absent"] == [
        "没有增值，因为有前测成绩的学生所在学校不足两所：9 年级 语文。",
        "只有学校、没有区（市）效应，因为每个区（市）只有一所学校，两者无法区分：6 年级 语文。",
    ]
    nothing = noted(papers[1])
    assert "No grade and subject" in nothing["sentences"][0]
    assert nothing["certainty"] is None and nothing["careful"] == []


def test_earlier_waves_and_software_are_named() -> None:
    said = noted(paper(), paper(grade=9, prior_waves=("autumn", "spring")))["fitted"]
    assert "Earlier scores are of spring (Grade 6 Chinese)." in said
    assert "Earlier scores are of autumn, spring (Grade 9 Chinese)." in said
    assert said[-1] == "Made with numpy 2; code 0123."
    assert "前测成绩来自spring（全部）。" in noted(paper(), lang="zh")["fitted"]


def test_a_quantile_is_held_against_what_chance_does() -> None:
    fits = [
        {"state": "estimated", "used": 90, "furthest": 0.12, "by_chance": 0.15},
        {"state": "estimated", "used": 300, "furthest": 0.09, "by_chance": 0.08},
        {"state": "estimated", "used": 0, "furthest": 0.5, "by_chance": 0.1},
    ]
    ((_head, cells),) = noted(paper(growth=fits))["checks"].lines
    assert (cells[-1].text, cells[-1].below) == ("9.0%", "by chance up to 8.0%")


def test_schools_that_do_not_differ_have_no_bands() -> None:
    alike = record(variance_school=0.0, variance_school_low=0.0, icc=0.0, lr_p=1.0)
    ((_head, cells),) = noted(paper(schools=alike))["certainty"].lines
    assert [cell.text for cell in cells[1:]] == [
        "0.70", "0%", "41%", "1.00", "", "no difference found",
    ]  # fmt: skip
    assert cells[0].text == "0.00 (0.00 to 0.40)"


def test_a_paper_of_small_schools_alone_has_no_reliability() -> None:
    effects = paper().effects.assign(effect=float("nan"), reliability=float("nan"), band=None)
    table = noted(paper(effects=effects))["certainty"]
    ((_head, cells),) = table.lines
    assert cells[5].text == ""
    assert cells[6].text == "0 / 0 / 0"


def test_who_is_left_out_is_counted() -> None:
    ((_head, cells),) = noted(paper())["students"].lines
    assert [cell.text for cell in cells] == ["500", "480", "96.0%", "20", "12", "1"]
    few = noted(paper(schools=record(match_rate=0.6)))
    assert few["whom"][-1].startswith("Fewer than 70% have an earlier score in: Grade 6 Chinese.")


def test_a_name_that_is_no_word_makes_no_path() -> None:
    assert path_word("2026-06-annual") == "2026-06-annual"
    assert path_word("../x") != "../x" and path_word("../x").isalnum()
