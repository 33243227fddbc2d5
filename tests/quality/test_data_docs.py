"""The pages of Data Docs: complete, Chinese first, plain, the same each time, of no student."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipelines.feeds import load_contracts, rules
from pipelines.quality import CheckResult, Finding, write_data_docs
from pipelines.quality.data_docs import QUESTIONS
from pipelines.quality.plausibility import MORE
from pipelines.quality.queries import QUERIES
from pipelines.quality.rules import ROW_RULES, SHAPE, TITLES, rules_of
from pipelines.wording import translator

NUMBER = "G370402201104011234"


def outcomes() -> list[CheckResult]:
    """Every rule of every feed, met by 1,200 rows; but three are broken."""
    contracts = load_contracts()
    results = [
        CheckResult(feed, rule.name, rule.column, True, 1200, 0, "")
        for feed, contract in contracts.items()
        for rule in (SHAPE, *rules_of(contract, contracts))
    ]
    broken = {
        ("students", "pattern", "student_key"): (7, f"7 rows, such as {NUMBER}"),
        ("students", "columns", ""): (1200, "gender is INTEGER, not VARCHAR"),
        ("schools", "in_set", "locale"): (3, "3 rows, such as 城区"),
    }
    return [
        CheckResult(r.feed, r.rule, r.column, False, r.rows, *broken[r.feed, r.rule, r.column])
        if (r.feed, r.rule, r.column) in broken
        else r
        for r in results
    ]


def finding(rule: str, count: int = 1, asked: str = "") -> Finding:
    where = ("staff", "2023-2024", "", "3137000001", None, "", "", "T0231 2024-03-05")
    return Finding(rule, "f.csv", "", 2, 9, count, "T0231", "9", "", asked or rule, *where)


FINDINGS = [
    finding("lessons_a_day"),
    finding("lessons_a_day"),
    finding(MORE, 41, asked="lessons_a_day"),
    finding("no_principal"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site") / "data_docs"
    files = write_data_docs(outcomes(), FINDINGS, target)
    assert files == len(list(target.iterdir())) == len(load_contracts()) + 3
    return target


class Page(HTMLParser):
    """The rows of a page's tables, its links and whatever it would load."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.signs: list[str] = []
        self.in_cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.links += [str(given[a]) for a in ("href", "src") if given.get(a)]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True
        elif tag == "i":
            self.signs.append(str(given["class"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += " ".join(data.split())


def test_every_rule_has_a_name() -> None:
    contracts = load_contracts()
    names = {rule.name for c in contracts.values() for rule in (SHAPE, *rules_of(c, contracts))}
    names |= {rule[0] for own in ROW_RULES.values() for rule in own}
    assert names == TITLES.keys()


def test_every_rule_of_every_feed_stands_on_its_page_in_chinese_first(site: Path) -> None:
    zh = translator("zh").gettext
    contracts = load_contracts()
    for feed, contract in contracts.items():
        shown = [row[1] for row in Page(site / f"{feed}.html").rows if row[1] != "规则 / Rule"]
        wanted = [zh(TITLES[rule.name]) for rule in (SHAPE, *rules_of(contract, contracts))]
        assert sorted(s.partition(" / ")[0] for s in shown) == sorted(wanted)
    rows = Page(site / "schools.html").rows
    assert [
        "",
        "取值限于 / One of: urban、town、rural",
        "1,200 行中 3 行 / 3 of 1,200 rows",
    ] in rows
    assert ["", "格式 / Of the form: [0-9]{10}", "1,200 行中 0 行 / 0 of 1,200 rows"] in rows
    assert [
        "",
        "范围 / Within: 1850-01-01～2099-12-31",
        "1,200 行中 0 行 / 0 of 1,200 rows",
    ] in rows


def test_the_sign_beside_a_rule_is_that_of_its_outcome(site: Path) -> None:
    page = Page(site / "schools.html")
    outcome = [row[2] for row in page.rows if "/" in row[2] and "Rows" not in row[2]]
    met = ["fa-check-circle" in sign for sign in page.signs]
    assert met == ["行中 0 行" in words for words in outcome]
    assert met.count(False) == 1


def test_questions_are_counted_with_those_that_were_not_told(site: Path) -> None:
    rows = {row[1].partition(" / ")[0]: row[2] for row in Page(site / f"{QUESTIONS}.html").rows}
    zh = translator("zh").gettext
    for query in QUERIES:
        wanted = {"lessons_a_day": "43", "no_principal": "1"}.get(query.rule, "0")
        assert rows[zh(rules()[query.rule].title)] == wanted
    assert "待确认或说明 44 处" in (site / f"{QUESTIONS}.html").read_text(encoding="utf-8")


def test_no_value_of_a_row_and_no_student_is_shown(site: Path) -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in site.iterdir())
    assert NUMBER not in text
    assert NUMBER[-4:] not in text
    assert "T0231" not in text
    assert "such as" not in text
    # Of what is not about values, the reason is told.
    assert "gender is INTEGER, not VARCHAR" in text


def test_the_pages_load_nothing_and_every_link_leads_somewhere(site: Path) -> None:
    followed = 0
    for path in site.glob("*.html"):
        page = Page(path)
        assert not page.tags & {"script", "img", "iframe", "style"}
        for link in page.links:
            assert re.fullmatch(r"[a-z_]+\.(html|css)", link)
            assert (site / link).is_file()
            followed += 1
    assert followed > 3 * len(load_contracts())
    assert "url(" not in (site / "data_docs.css").read_text()


def test_the_pages_are_the_same_each_time(site: Path, tmp_path: Path) -> None:
    """Great Expectations would put the time of day and random names into them."""
    target = tmp_path / "again"
    target.mkdir()
    (target / "old.html").write_text("left from an earlier build")
    write_data_docs(outcomes(), FINDINGS, target)
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {
        p.name: p.read_bytes() for p in site.iterdir()
    }


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_fits_and_its_columns_stand_apart(browser: Any, site: Path, width: int) -> None:
    """No column lies over its neighbour, and none is a letter wide."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    for name in ("index", "students", QUESTIONS):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        narrowest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('td')].map(c => c.clientWidth))"
        )
        assert narrowest >= 60, name
        over = page.evaluate(
            "[...document.querySelectorAll('td')].some(c => c.scrollWidth > c.clientWidth + 1)"
        )
        assert not over, name
    page.close()
