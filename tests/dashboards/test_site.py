"""The site says what the published layer holds, in both languages, and nothing more."""

import csv
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from made_up_city import DISTRICTS, SCHOOLS, City, Rendered, added_rows, rows_of
from plotly.offline import get_plotlyjs_version

from dashboards import pages
from dashboards.pages import methods, value_added
from dashboards.pages.sentences import Teller
from dashboards.shelf import SUFFIXES, read_shelf
from dashboards.site.take import workbook_name
from dashboards.site.text import STATIC

METHODS = {
    "methods.html",
    "en/methods.html",
    *(f"downloads/{name}" for table in methods.FILES for name in (table, workbook_name(table))),
}
"""What is everybody's beside scripts and styles."""
Render = Callable[[City], Rendered]


def heading(page: str) -> str:
    """The first heading of a page."""
    found = re.search(r"<h1>(.*?)</h1>", page)
    assert found
    # A number and its measure word are kept together by a space that does not break.
    return html.unescape(found[1]).replace("\u00a0", " ")


def front(city: City) -> dict[str, Any]:
    """The row that the headline speaks of."""
    return [r for r in rows_of(city) if r["stage"] == r["subject"] == "all"][len(city.years) - 1]


def test_headline_of_a_change(whole: Rendered) -> None:
    assert heading(whole.page()) == "全市合格率 80.0%，比上年高 1.9 个百分点（95%区间 1.2～2.6）"
    assert heading(whole.page("en")) == (
        "Pass rate of the city: 80.0%, 1.9 percentage points higher than the year before "
        "(95% interval 1.2 to 2.6)"
    )


@pytest.mark.parametrize(
    ("low", "change", "high", "said"),
    [
        (-2.0, -1.2, -0.4, "比上年低 1.2 个百分点（变化的95%区间 −2.0～−0.4）"),
        (-0.3, 0.4, 1.1, "与上年的差异尚不明确（+0.4 个百分点，95%区间 −0.3～1.1）"),
        (0.0, 0.6, 1.2, "与上年的差异尚不明确（+0.6 个百分点，95%区间 0.0～1.2）"),
    ],
)
def test_headline_claims_no_more_than_the_interval(
    low: float, change: float, high: float, said: str
) -> None:
    row = front(City()) | {
        "year_change_points": change,
        "year_change_low": low,
        "year_change_high": high,
    }
    assert said in Teller("zh").headline(row, "全市")


def test_headline_names_an_earlier_year_that_is_not_the_year_before() -> None:
    row = front(City()) | {"previous_year": "2024-2025"}
    assert "比 2024–2025学年高" in Teller("zh").headline(row, "全市")
    assert "higher than in 2024–2025" in Teller("en").headline(row, "the city")


def test_the_baseline_is_told_in_both_readings(whole: Rendered) -> None:
    assert (
        "比 2023–2024学年基线 74.5% 高 5.5 个百分点（95%区间 4.7～6.2；相对值 +7.4%），"
        "进度线为 84.5%：暂难判断。"
    ) in whole.page()


def test_what_is_not_reported_is_said(whole: Rendered, rendered: Render) -> None:
    assert "本次监测有 3 所学校尚未报送。" in whole.page()
    assert "This wave: 3 schools have not reported yet." in whole.page("en")
    complete = rendered(City(not_reported=0, returned=0)).page()
    assert "尚未报送。" not in complete
    assert 'class="report"' not in complete


def test_no_data_at_all(rendered: Render) -> None:
    made = rendered(City(results=False, registered=False))
    assert heading(made.page()) == "暂无合格率：尚未收到监测成绩"
    assert "<table" not in made.page()
    assert "plotly" not in made.page()


def test_a_wave_without_results(rendered: Render) -> None:
    made = rendered(City(results=False))
    assert heading(made.page()) == "暂无合格率：监测批次已登记，尚未收到成绩"
    assert "2026–2027学年监测有 3 所学校尚未报送。" in made.page()


def test_one_year_only(rendered: Render) -> None:
    made = rendered(City(years=YEARS_ONE))
    assert heading(made.page()).endswith("暂无可比的上年数据")
    assert "2023–2024学年为基线，以后各学年与之比较。" in made.page()


YEARS_ONE = ("2023-2024",)


def test_no_baseline_year_and_one_district(rendered: Render) -> None:
    star = City(
        code="TN",
        years=("1985-1986", "1986-1987", "1987-1988", "1988-1989"),
        districts={"TN1": "Tennessee <STAR> schools"},
    )
    page = rendered(star).page("en")
    assert "There are no figures of the baseline year to compare with." in page
    assert "One district has a figure: Tennessee &lt;STAR&gt; schools" in page
    assert "Pace line of the plan" not in page
    assert "<STAR>" not in page


def test_a_single_stage_is_shown_once(rendered: Render) -> None:
    def primary(row: dict[str, Any]) -> None:
        if row["stage"] in {"junior", "senior"}:
            row["stage"] = "primary"
            row["subject"] = f"{row['subject']}-{row['stage']}-{row['pass_rate']}"

    page = rendered(City(years=YEARS_ONE, edit=primary)).page()
    assert "表：小学" in page
    assert "表：全学段" not in page


def test_withheld_figures_are_nowhere(rendered: Render) -> None:
    def withhold(row: dict[str, Any]) -> None:
        if row["school_year"] == "2026-2027" and row["unit_code"] in {"370400", "370403"}:
            row["mark"] = "c"

    made = rendered(City(edit=withhold))
    assert heading(made.page()) == "全市 2026–2027学年合格率：为保护个人信息，此处不显示"
    assert "为保护个人信息，与基线的比较此处不显示。" in made.page()
    with (made.folder / "downloads" / "pass-rate-districts.csv").open(
        encoding="utf-8-sig", newline=""
    ) as text:
        row = next(r for r in csv.DictReader(text) if r["unit_code"] == "370403")
    assert row["mark"] == "c"
    assert row["pass_rate"] == row["n"] == row["students"] == row["year_change_points"] == ""


def band(row: dict[str, Any]) -> None:
    if row["school_year"] == "2026-2027" and row["unit_code"] in {"370400", "370403"}:
        empty = [name for name in row if name.startswith(("change_", "year_change_"))]
        row |= dict.fromkeys([*empty, "pass_rate", "pass_low", "pass_high", "status"])
        row["pass_band"] = ">=99"


def test_a_band_is_said_and_not_drawn(rendered: Render) -> None:
    made = rendered(City(edit=band))
    assert heading(made.page()) == "全市 2026–2027学年合格率：≥99%"
    assert heading(made.page("en")) == "Pass rate of the city in 2026–2027: ≥99%"
    # The city's and the district's: in the table, and in words beside the figures.
    assert made.page().count("薛城区：≥99%") + made.page().count("薛城区 ≥99%") >= 1
    assert made.page().count("≥99%") > 15
    with (made.folder / "downloads" / "pass-rate-districts.csv").open(
        encoding="utf-8-sig", newline=""
    ) as text:
        row = next(r for r in csv.DictReader(text) if r["unit_code"] == "370403")
    assert row["pass_band"] == ">=99" and row["pass_rate"] == row["mark"] == "" and row["n"]


def test_a_district_that_has_not_reported(rendered: Render) -> None:
    city = City(not_reported=60)
    made = rendered(City(districts={**city.districts, "370499": "高新区"}))
    assert made.page().count("高新区") >= 2


def test_downloads_open_in_a_sheet_and_are_the_same_twice(whole: Rendered) -> None:
    for name in ("pass-rate-trend.csv", "pass-rate-districts.csv"):
        outside, inside = whole.folder / "downloads" / name, whole.site / "downloads" / name
        assert outside.read_bytes().startswith(b"\xef\xbb\xbf")
        assert outside.samefile(inside)
        for lang, root in (("zh", ""), ("en", "../")):
            # The release in the address: what a page gives away is its own, whatever came after.
            assert f'href="{root}downloads/{name}?r=r-0123456789ab"' in whole.page(lang)


def test_text_that_a_sheet_would_compute_is_quoted(rendered: Render) -> None:
    made = rendered(City(years=YEARS_ONE, districts={"1": "=1+1"}))
    table = (made.folder / "downloads" / "pass-rate-districts.csv").read_text("utf-8-sig")
    assert ",'=1+1," in table


def test_value_added_is_of_the_newest_wave_and_claims_no_more_than_its_interval(
    whole: Rendered,
) -> None:
    page = whole.page()
    told = [row for row in added_rows(City()) if row[0] == "2026-2027" and row[5] == "district"]
    bands = [sum(row[12] == band for row in told) for band in ("above", "as_expected", "below")]
    said = f"{bands[0]} 项高于预期，{bands[1]} 项与预期相当，{bands[2]} 项低于预期"
    assert f"增值：{len(told)} 项结果中，{said}" in page
    assert "2026–2027学年" in page and "单年结果请勿单独用于考核" in page
    # Where no district differs from another, no interval claims to know it.
    assert page.count("未发现差异</span>") == len(DISTRICTS)


def test_a_district_lists_its_schools_by_code_and_withholds_small_ones(whole: Rendered) -> None:
    page = (whole.site / "district" / "370402" / "value-added.html").read_text(encoding="utf-8")
    own = [code for code, _, district in SCHOOLS if district == "370402"]
    (table, *_) = re.findall(r'<table data-table="value-added">(.*?)</table>', page, re.S)
    assert re.findall(r'<span class="below">(\d{10})</span>', table) == own
    rows = dict(zip(own, re.findall(r"<tr>\n<th scope=.row.(.*?)</tr>", table, re.S), strict=True))
    assert all('class="mark">c<' in rows[code] for code in own[0::4])
    assert all('class="mark">z<' in rows[code] for code in own[1::4])
    assert '<sup class="mark">u</sup>' in rows[own[3]]
    assert SCHOOLS[-1][1] not in page, "schools of another district"
    english = whole.site / "en" / "district" / "370402" / "value-added.html"
    assert "Value added: of" in english.read_text(encoding="utf-8")
    empty = (whole.site / "district" / "370481" / "value-added.html").read_text(encoding="utf-8")
    assert "暂无本区（市）学校的增值" in empty and "plotly" not in empty


def test_a_school_is_told_of_itself_alone(whole: Rendered) -> None:
    code, name, district = SCHOOLS[6]
    for lang in ("", "en/"):
        page = (whole.site / lang / "school" / code / "value-added.html").read_text(
            encoding="utf-8"
        )
        assert name in page and f"downloads/value-added-school-{code}.csv" in page
        assert not [other for _, other, _ in SCHOOLS if other != name and other in page]
        assert district not in page and DISTRICTS[district] not in page
    path = whole.folder / "downloads" / f"value-added-school-{code}.csv"
    with path.open(encoding="utf-8-sig", newline="") as text:
        assert {row["unit_code"] for row in csv.DictReader(text)} == {code}
    withheld = (whole.site / "school" / SCHOOLS[0][0] / "value-added.html").read_text(
        encoding="utf-8"
    )
    assert "暂无本校的增值" in withheld and "plotly" not in withheld


def test_the_list_says_whose_each_file_is(whole: Rendered) -> None:
    shelf = read_shelf(whole.folder)
    assert shelf is not None
    files = {p for p in whole.site.rglob("*") if p.is_file() and p.suffix not in (".gz", ".br")}
    assert len(shelf) == len(files)
    city, district = "city:370400", "district:370402"
    owners = {
        "index.html": (city,),
        "en/": (city,),
        "district/370402/": (city, district),
        "en/school/3137000001/index.html": (city, district, "school:3137000001"),
        "downloads/pass-rate-trend.csv": (city,),
        "downloads/value-added-districts.csv": (city,),
        "downloads/value-added-370402.csv": (city, district),
        "downloads/value-added-school-3137000003.csv": (city, district, "school:3137000003"),
    }
    for path, own in owners.items():
        item = shelf.find(path)
        assert item is not None and item.owners == own, path
    for file in files:
        item = shelf.find(file.relative_to(whole.site).as_posix())
        assert item is not None and item.size == file.stat().st_size
        everybodys = item.lasting or item.path in METHODS
        assert bool(item.owners) != everybodys, item.path
        for encoding, unpack in (("gzip", gzip.decompress), ("br", brotli.decompress)):
            if encoding in item.packed:
                packed = file.with_name(file.name + SUFFIXES[encoding]).read_bytes()
                assert unpack(packed) == file.read_bytes()
                assert len(packed) == item.packed[encoding]


def test_a_table_of_two_units_is_refused(rendered: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(value_added.FILES, "school", "value-added-one-for-all.csv")
    with pytest.raises(ValueError, match=r"value-added-one-for-all\.csv is of two units"):
        rendered(City())


def test_every_link_resolves_and_is_relative(whole: Rendered) -> None:
    for page in whole.site.rglob("*.html"):
        links = re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8"))
        assert links
        for link in links:
            assert not re.match(r"[a-z]+:|/", link)
            if not link.startswith("#"):
                assert (page.parent / link.partition("?")[0]).is_file(), link


def test_no_script_stands_in_the_page(whole: Rendered) -> None:
    page = whole.page()
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.S):
        assert "src=" in attributes or 'type="application/json"' in attributes
        assert "src=" not in attributes or not body
    assert not re.search(r"\son\w+=|\sstyle=|<style", page)


def test_static_names_carry_the_hash_of_their_content(whole: Rendered) -> None:
    plain = [p for p in (whole.site / "static").iterdir() if p.suffix not in (".gz", ".br")]
    assert plain
    for path in plain:
        assert path.name.split(".")[-2] == hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def test_the_same_warehouse_gives_the_same_bytes(rendered: Render, whole: Rendered) -> None:
    again = rendered(City())
    assert again.report == whole.report
    files = [p.relative_to(whole.folder) for p in whole.folder.rglob("*") if p.is_file()]
    for file in files:
        if file.name != "warehouse.duckdb":
            assert (again.folder / file).read_bytes() == (whole.folder / file).read_bytes(), file
    assert whole.report.files == len(files) - 1


def test_the_page_stays_within_its_budget(whole: Rendered) -> None:
    assert len(gzip.compress(whole.page().encode())) < 150_000
    scripts = (whole.site / "static").glob("*.js")
    assert sum(len(gzip.compress(path.read_bytes())) for path in scripts) < 600_000


def test_pages_ask_the_published_layer_only() -> None:
    modules = Path(pages.__file__).parent.glob("*.py")
    tables = [
        t
        for p in modules
        for t in re.findall(r"^\s*(?:from|join) (\w+\.\w+)$", p.read_text(), re.M)
    ]
    assert tables
    assert all(table.startswith("published.") for table in tables)


def test_figures_are_of_what_the_bundle_can_draw(whole: Rendered) -> None:
    """It draws bars, lines and points, and takes a third of the time of the next larger one."""
    drawn = set()
    for page in whole.site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for figure in re.findall(
            r'<script type="application/json" id="figure-[^>]*>(.*?)</sc', text
        ):
            drawn |= {trace["type"] for trace in json.loads(figure)["data"]}
    assert drawn == {"bar", "scatter"}


def test_the_vendored_bundle_is_the_one_that_plotly_names() -> None:
    vendor = STATIC / "vendor"
    version = get_plotlyjs_version()
    bundle = vendor / f"plotly-basic-{version}.min.js"
    assert f"v{version}" in bundle.read_text(encoding="utf-8")[:200]
    readme = (vendor / "README.md").read_text(encoding="utf-8")
    for script in vendor.glob("*.js"):
        assert script.name in readme
        assert hashlib.sha256(script.read_bytes()).hexdigest() in readme
