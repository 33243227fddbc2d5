"""The catalogue is complete, and numbers are written as the house writes them."""

import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from pipelines.feeds import rules
from pipelines.wording import (
    count,
    load_glossary,
    measured,
    p_value,
    percent,
    percent_change,
    percent_interval,
    points,
    points_interval,
    school_year,
    translator,
)
from pipelines.wording.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {**DEFAULT_KEYWORDS, "bilingual": None}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w+\}")


def messages() -> dict[str, str]:
    """Every msgid in code and templates, with the place of its first use."""
    found: dict[str, str] = {}
    for package in ("pipelines", "dashboards"):
        for file, line, message, _, _ in extract_from_dir(
            ROOT / package, METHODS, keywords=KEYWORDS
        ):
            for msgid in [message] if isinstance(message, str) else message[:1]:
                found.setdefault(msgid, f"{package}/{file}:{line}")
    for name, rule in rules().items():
        found |= dict.fromkeys((rule.title, rule.message), f"rules.yml: {name}")
    return found


def test_every_message_has_a_chinese_translation() -> None:
    with CATALOGUE.open("rb") as text:
        catalogue = read_po(text, locale="zh_CN")
    have = {
        message.id[0] if isinstance(message.id, tuple | list) else message.id
        for message in catalogue
        if message.id
        and all([message.string] if isinstance(message.string, str) else message.string)
    }
    missing = {msgid: place for msgid, place in messages().items() if msgid not in have}
    assert not missing


def test_no_message_has_two_translations() -> None:
    """The later one would hold for both, wherever they are said."""
    blocks = re.split(r"\n\s*\n", CATALOGUE.read_text("utf-8"))
    ids = [m[1] for block in blocks for m in re.finditer(r"(?s)msgid (.+?)\nmsg(?:str|id_)", block)]
    assert len(ids) > 1000
    assert {msgid for msgid, times in Counter(ids).items() if times > 1} == set()


def test_translations_keep_the_placeholders() -> None:
    """A sentence that lost its number would fail only on the page that says it."""
    zh = translator("zh")
    wrong = []
    for msgid in messages():
        said = zh.gettext(msgid)
        if said == msgid:
            said = zh.ngettext(msgid, msgid, 2)
        if set(PLACEHOLDER.findall(said)) != set(PLACEHOLDER.findall(msgid)):
            wrong.append((msgid, said))
    assert not wrong


def test_the_catalogue_uses_no_forbidden_words() -> None:
    text = CATALOGUE.read_text(encoding="utf-8")
    for word in ("排名", "名次", "差校", "差生", "必须", "严禁", "非法", "造假", "失败", "！"):
        assert word not in text


def test_languages() -> None:
    assert translator("zh").gettext("Subject") == "学科"
    assert translator("en").gettext("Subject") == "Subject"
    with pytest.raises(ValueError, match="unknown language 'fr'; known: zh, en"):
        translator("fr")


def test_rates_carry_the_digits_that_n_warrants() -> None:
    assert percent(0.834, 32156, "zh") == "83.4%"
    assert percent(0.83, 99, "zh") == "83%"
    assert percent(0.8, 100, "zh") == "80.0%"
    assert percent(0.8345, 1000, "zh") == "83.5%"
    assert percent_interval(0.63, 0.68, 50, "zh") == "63%～68%"
    assert percent_interval(0.63, 0.68, 50, "en") == "63% to 68%"


def test_differences_carry_a_true_minus() -> None:
    assert points(1.2, "zh") == "+1.2"
    assert points(-0.3, "zh") == "−0.3"
    assert points(-0.0, "zh") == "0.0"
    assert points_interval(-0.3, 1.1, "zh") == "−0.3～1.1"
    assert points_interval(-0.3, 1.1, "en") == "−0.3 to 1.1"
    assert percent_change(3.9, "en") == "+3.9%"


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.2449, 0.1781, 0.3312, "0.24 (0.18 to 0.33)"),
        (0.5471, 0.0104, 0.8432, "0.5 (0.0 to 0.8)"),
        (0.5471, 0.2604, 0.8432, "0.55 (0.26 to 0.84)"),
        (-0.0123, -0.0163, -0.0083, "−0.012 (−0.016 to −0.008)"),
        (31.4159, 28.1, 34.7, "31.4 (28.1 to 34.7)"),
        (0.0, 0.0, 0.0, "0.000 (0.000 to 0.000)"),
    ],
)
def test_no_more_digits_than_the_interval_warrants(
    value: float, low: float, high: float, said: str
) -> None:
    assert measured(value, low, high, "en") == said
    assert measured(value, low, high, "zh").endswith("）")


def test_a_p_is_never_nothing() -> None:
    assert [p_value(p, "en") for p in (1.0, 0.2584, 0.0142, 4e-9)] == [
        "1.00",
        "0.26",
        "0.014",
        "< 0.001",
    ]


def test_counts_and_school_years() -> None:
    assert count(32156, "zh") == "32,156"
    assert school_year("2023-2024", "zh") == "2023–2024学年"
    assert school_year("2023-2024", "en") == "2023–2024"
    assert school_year("spring", "zh") == "spring"


def test_the_glossary_is_read_with_its_codes() -> None:
    terms = load_glossary()
    assert terms[0].term_zh == "合格率"
    assert terms[0].code == "pass_rate"
    assert all(term.term_zh and term.term_en for term in terms)


def test_no_relative_change_from_nothing() -> None:
    assert percent_change(None, "zh") == "—"
    assert percent_change(3.94, "zh") == "+3.9%"
