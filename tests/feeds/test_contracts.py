"""The contracts: complete, consistent, and what templates and readers take from them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.feeds import Contract, codes, load_contracts
from pipelines.feeds.contract import normalise

FEEDS = {
    "districts", "schools", "staff", "students", "monitoring_waves", "monitoring_results",
    "item_map", "item_results", "lesson_observations", "training_logs", "programme_register",
    "official_visits", "supervision_findings", "residential_areas", "school_resources",
    "external_benchmarks",
}  # fmt: skip


def test_every_feed_has_a_contract() -> None:
    assert set(load_contracts()) == FEEDS


def test_a_feed_comes_after_those_that_it_refers_to() -> None:
    seen: set[str] = set()
    for name, contract in load_contracts().items():
        assert set(contract.depends_on) <= seen
        seen.add(name)


@pytest.mark.parametrize("contract", load_contracts().values(), ids=lambda c: c.feed)
def test_no_name_and_no_number_of_a_student_is_landed(contract: Contract) -> None:
    assert not {"name", "student_no"} & contract.landed.keys()
    assert ("student_key" in contract.landed) == any(
        c.type == "student_no" for c in contract.columns
    )
    assert set(contract.landed_key) <= contract.landed.keys()


@pytest.mark.parametrize(
    ("feed", "header", "name"),
    [
        ("students", " 学籍 号\n", "student_no"),
        ("students", "学号", "student_no"),
        ("monitoring_results", "成绩（分）", "score"),
        ("schools", "ＳＣＨＯＯＬ＿ＣＯＤＥ", "school_code"),
        ("monitoring_waves", "满分(分)", "full_mark"),
        ("staff", "教师编号", "staff_code"),
    ],
)
def test_headers_as_schools_write_them(feed: str, header: str, name: str) -> None:
    assert load_contracts()[feed].headers[normalise(header)] == name


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Zs"])))
def test_case_and_white_space_never_matter(header: str) -> None:
    assert not re.search(r"\s", normalise(header))
    assert normalise(f" {header}\n") == normalise(header)


def test_codes_of_the_published_list() -> None:
    assert codes()["subject"]["politics"] == ["道德与法治", "政治", "思想政治"]
    assert len(codes()["grade"]) == 12
    assert codes()["grade"]["7"][:2] == ["七年级", "初一"]


def test_a_word_with_two_meanings_is_refused() -> None:
    column = {"header": "学校", "type": "text", "description": "d"}
    with pytest.raises(ValueError, match="学校 means a and b"):
        Contract.model_validate(
            {
                "feed": "f",
                "title": "t",
                "description": "d",
                "key": ["a"],
                "columns": [{"name": "a", **column}, {"name": "b", **column}],
            }
        )
