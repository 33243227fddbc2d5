"""The analyst area of a release says what the marts hold, and is served to nobody."""

import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from playwright.sync_api import Browser

from dashboards.site import RenderReport, Rules, render_analysis
from pipelines.wording import count, measured, p_value, percent, translator
from pipelines.wording.labels import SUBJECT_ORDER, rank, reason_name, subject_name
from tests.axe import violations
from tests.end_to_end.conftest import House, house_in, viewer

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
    release = city.current.name
    with viewer(city.home) as client:
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
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing(city: House, browser: Browser, width: int, scheme: Any) -> None:
    """Of each kind of page one, in Chinese and English."""
    area = city.current / "analysis"
    places = {path.name: path for path in sorted(area.rglob("*.html")) if "en" not in path.parts}
    assert len(places) > 2
    for lang in ("", "en"):
        for path in places.values():
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            page, complaints = context.new_page(), []
            page.on("console", lambda message, said=complaints: said.append(message.text))
            page.on("pageerror", lambda error, said=complaints: said.append(str(error)))
            place = area / lang / path.relative_to(area)
            page.goto(place.as_uri())
            if page.locator("[data-figure]").count():
                page.wait_for_selector("html[data-drawn]")
            assert violations(page) == [], place
            assert complaints == [], place
            assert page.evaluate("document.documentElement.scrollWidth") == width, place
            context.close()


def drawn(
    city: House, area: Path, earlier: Path | None, warehouse: Path | None = None, **changes: Any
) -> RenderReport:
    """The area of the city's warehouse, or of another, drawn beside an earlier one."""
    given = {
        "rules": Rules("standard", (), ("standard",), (6, 60), 10, 0.7, 0.1),
        "release_id": "0123456789ab",
        "unit_name_zh": "全市",
        "unit_name_en": "the city",
        "code": "c",
        "earlier": earlier,
    }
    site = city.current / "site"
    return render_analysis(
        warehouse or city.current / "warehouse.duckdb", area, site, **given | changes
    )


def pages(area: Path) -> dict[str, Path]:
    """The pages of waves by their place."""
    found = {str(p.relative_to(area)): p for p in area.rglob("*.html")}
    return {place: p for place, p in found.items() if p.name != "index.html"}


def again(first: Path, second: Path) -> set[str]:
    """Which pages of the second area are files of the first."""
    old = pages(first)
    return {p for p, file in pages(second).items() if p in old and file.samefile(old[p])}


def test_pages_of_an_unchanged_wave_are_files_of_the_release_before(
    city: House, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    whole = drawn(city, first, None)
    assert whole.reused == 0 and len(pages(first)) > 20
    report = drawn(city, second, first, release_id="ba9876543210")
    assert again(first, second) == set(pages(second)) == set(pages(first))
    assert (report.files, report.reused) == (whole.files, len(pages(first)))
    assert report.files == sum(p.is_file() for p in second.rglob("*"))
    # The contents alone say which release they are of.
    named = [p for p in second.rglob("*.html") if "ba9876543210" in p.read_text(encoding="utf-8")]
    assert {p.name for p in named} == {"index.html"} and len(named) == 2
    # What an area lacks, or cannot vouch for, is drawn.
    lost = min(pages(second))
    (second / lost).unlink()
    third = tmp_path / "third"
    drawn(city, third, second)
    folder = lost.removeprefix("en/").split("/")[0]
    assert again(second, third) == {p for p in pages(third) if folder not in p.split("/")}
    assert (third / lost).read_bytes() == (first / lost).read_bytes()
    for name, changes in (
        ("rules", {"rules": Rules("standard", (), ("standard",), (6, 60), 10, 0.8, 0.1)}),
        ("code", {"code": "d"}),
        ("nothing known of the code", {"code": ""}),
        ("names", {"unit_name_en": "another city"}),
    ):
        assert drawn(city, tmp_path / name, first, **changes).reused == 0, name


def test_a_changed_wave_is_drawn_and_others_are_not(city: House, tmp_path: Path) -> None:
    """A wave's pages show the year before too: what changed there shows in its successor."""
    warehouse = tmp_path / "warehouse.duckdb"
    shutil.copy(city.current / "warehouse.duckdb", warehouse)
    first, second = tmp_path / "first", tmp_path / "second"
    drawn(city, first, None)
    waves = city.rows(
        "select distinct wave_id, school_year from marts.value_added where state = 'estimated'"
        " order by school_year"
    )["wave_id"].tolist()
    assert len(waves) >= 3
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            "update marts.value_added set effect = effect + 0.001 where rowid = ("
            "select rowid from marts.value_added where wave_id = ? and level = 'school'"
            " and effect is not null order by rowid limit 1)",
            [waves[0]],
        )
    drawn(city, second, first, warehouse)
    made = {p.removeprefix("en/").split("/")[0] for p in set(pages(second)) - again(first, second)}
    kept = {p.removeprefix("en/").split("/")[0] for p in again(first, second)}
    assert waves[0] in made and not made & kept
    assert waves[-1] in kept
    fresh = tmp_path / "fresh"
    drawn(city, fresh, None, warehouse)
    for place, page in pages(fresh).items():
        assert page.read_bytes() == pages(second)[place].read_bytes(), place


def test_a_night_that_brings_nothing_to_value_added_draws_no_wave(
    village: House, tmp_path: Path
) -> None:
    shutil.copytree(village.home.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    house = house_in(tmp_path)
    before = house.current
    log = min((house.raw / "training_logs").rglob("*.csv"))
    log.write_bytes(log.read_bytes().rstrip().rpartition(b"\n")[0] + b"\n")
    house.eqm("build")
    assert house.current != before
    first, second = before / "analysis", house.current / "analysis"
    assert len(pages(second)) > 2 and again(first, second) == set(pages(second))
    # The older release may go: its files stay where they are used.
    shutil.rmtree(before)
    assert all(page.read_text(encoding="utf-8") for page in pages(second).values())


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
