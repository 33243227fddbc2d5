"""The analyst area of a release says what the marts hold, and is served to nobody."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dashboards.gate import create_app
from pipelines.wording import count, measured, p_value, percent, translator
from pipelines.wording.labels import SUBJECT_ORDER, rank, reason_name, subject_name
from tests.end_to_end.conftest import House

KEY = ["wave_id", "grade", "subject"]


class Tables(HTMLParser):
    """The tables of a page by name: head of a line → text of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, list[str]]] = {}
        self.name, self.head, self.cell = "", "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.name = str(given["data-table"])
            self.found[self.name] = {}
        elif tag == "th" and given.get("scope") == "row":
            self.head = " "
        elif tag == "td":
            self.cell = True
            self.found[self.name][self.head].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.cell = False

    def handle_data(self, data: str) -> None:
        if self.head == " ":
            self.head = data
            self.found[self.name][data] = []
        elif self.cell:
            self.found[self.name][self.head][-1] += data


def notes(city: House, lang: str) -> dict[str, str]:
    """The notes by wave."""
    root = city.current / "analysis" / ("en" if lang == "en" else "")
    waves = city.rows("select distinct wave_id from marts.value_added_model")["wave_id"]
    return {wave: (root / wave / "note.html").read_text(encoding="utf-8") for wave in waves}


def heads(frame: pd.DataFrame, lang: str) -> list[str]:
    words = translator(lang)
    grade = words.gettext("Grade %(grade)s")
    return [
        f"{grade % {'grade': row.grade}} {subject_name(row.subject, words)}"
        for row in frame.itertuples()
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_numbers_of_a_note_are_those_of_the_marts(city: House, lang: str) -> None:
    models = city.rows("from marts.value_added_model where levels = 2 and state = 'estimated'")
    schools = city.rows(
        f"select {', '.join(KEY)}, sum(present) as present, count(*) - count(effect) as without, "
        "median(reliability) filter (where effect is not null) as reliability, "
        "count(*) filter (where band = 'above') as above, "
        "count(*) filter (where band = 'as_expected') as expected, "
        "count(*) filter (where band = 'below') as below "
        f"from marts.value_added where level = 'school' group by {', '.join(KEY)}"
    )
    fair = city.rows(
        "from marts.value_added_fairness where model = 'standard' and characteristic = 'intake'"
    ).set_index(KEY)
    both = models.merge(schools, on=KEY)
    assert len(both) >= 4
    pages = notes(city, lang)
    for wave, own in both.groupby("wave_id"):
        tables = Tables(pages[str(wave)]).found
        for head, row in zip(heads(own, lang), own.itertuples(), strict=True):
            z = 1.959964
            terms = list(tables["coefficients"][head])
            for value, se in zip(row.coefficients, row.standard_errors, strict=True):
                assert measured(value, value - z * se, value + z * se, lang) in terms
            assert tables["students"][head] == [
                count(int(row.present), lang),
                count(row.n, lang),
                percent(row.n / row.present, int(row.present), lang),
                count(int(row.present) - row.n, lang),
                count(row.schools, lang),
                count(row.without, lang),
            ]
            sure = tables["certainty"][head]
            spread = [
                math.sqrt(v)
                for v in (row.variance_school, row.variance_school_low, row.variance_school_high)
            ]
            assert sure[0] == measured(*spread, lang)
            assert sure[4] == p_value(row.lr_p, lang)
            if row.variance_school > 0:
                assert sure[5] == f"{row.reliability:.2f}"
                assert sure[6] == f"{row.above} / {row.expected} / {row.below}"
            told = fair.loc[(row.wave_id, row.grade, row.subject)]
            shown = tables["checks"][head][0]
            if told["state"] == "estimated":
                figure = measured(told["correlation"], told["ci_low"], told["ci_high"], lang)
                assert shown == figure
            else:
                assert shown == "—" + reason_name(told["reason"], translator(lang))


def test_every_grade_and_subject_is_told_of(city: House) -> None:
    """What has an estimate has figures, and what has none has its reason."""
    models = city.rows("from marts.value_added_model where levels = 2")
    models = models.sort_values(
        ["grade", "subject"],
        key=lambda c: c if c.name == "grade" else c.map(lambda code: rank(code, SUBJECT_ORDER)),
    )
    pages = notes(city, "zh")
    area = city.current / "analysis"
    for row, head in zip(models.itertuples(), heads(models, "zh"), strict=True):
        figures = area / row.wave_id / f"{row.grade}-{row.subject}.html"
        english = area / "en" / row.wave_id / f"{row.grade}-{row.subject}.html"
        assert figures.exists() == english.exists() == (row.state == "estimated")
        line = re.search(
            f"<li>没有增值，因为{reason_name(row.reason, translator('zh'))}：(.*?)。</li>",
            pages[row.wave_id],
        )
        assert (head in line[1].split("、") if line else False) == (row.state != "estimated")
    assert "<script" not in pages[min(pages)]


def test_it_is_served_to_nobody_and_holds_no_student(city: House) -> None:
    area = city.current / "analysis"
    client = create_app(city.home).test_client()
    release = city.current.name
    assert client.get("/index.html").status_code == 200
    for path in (
        "/analysis/index.html",
        "/../analysis/index.html",
        "/%2e%2e/analysis/index.html",
        f"/r/{release}/analysis/index.html",
        f"/r/{release}/../analysis/index.html",
    ):
        assert client.get(path).status_code == 404, path
    keys = city.rows("select distinct student_key from restricted.fact_score limit 50")
    text = "".join(p.read_text(encoding="utf-8") for p in area.rglob("*.html"))
    assert len(keys) and not [key for key in keys["student_key"] if key in text]
    for shared in (area / "static").iterdir():
        assert shared.samefile(city.current / "site" / "static" / shared.name)
    stages = {stage["stage"]: stage for stage in city.record()["stages"]}
    assert stages["release__analysis"]["files"] == sum(p.is_file() for p in area.rglob("*"))


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 360])
def test_it_opens_from_the_disk_without_complaint(browser: Any, city: House, width: int) -> None:
    area: Path = city.current / "analysis"
    told = city.rows("from marts.value_added_model where levels = 2 and state = 'estimated'")
    row = told.sort_values("variance_school").iloc[-1]
    own = f"{row['wave_id']}/{row['grade']}-{row['subject']}.html"
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # What the browser gave up itself because the next page was asked for is no complaint.
    page.on(
        "requestfailed",
        lambda request: request.failure == "net::ERR_ABORTED" or complaints.append(request.url),
    )
    for path in ("index.html", f"{row['wave_id']}/note.html", own, f"en/{own}"):
        page.goto((area / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.wait_for_selector("html[data-drawn]")
    assert page.locator("[data-figure]").count() >= 7
    assert page.locator("[data-figure] .main-svg").count() >= 7
    page.goto((area / "index.html").as_uri())
    page.get_by_role("link", name="技术说明").first.click()
    page.locator("nav.papers a").first.click()
    page.wait_for_selector("html[data-drawn]")
    assert complaints == []
    page.close()
