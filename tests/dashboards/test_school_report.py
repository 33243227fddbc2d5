"""The report of a school says what its page and the published layer say, on two sheets of paper."""

import html
import json
import re
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from made_up_city import DISTRICTS, SCHOOLS, City, write_warehouse
from typer.testing import CliRunner

from dashboards import chromium
from dashboards.pages import Published, Unit, competencies, school_report, value_added
from dashboards.site import NoPrinter, NoSuchSchool, ReportError, report, write_reports
from dashboards.site.report import printer, report_text
from pipelines.cli import app
from pipelines.life import Event, tell
from pipelines.wording import LANGUAGES, Lang, percent, percent_interval

SCHOOL, SILENT = SCHOOLS[2], SCHOOLS[1]
RELEASE = "0123456789ab"
printing = pytest.mark.skipif(chromium.path() is None, reason="chromium is not installed")
YEARS = ("2022-2023", "2023-2024", "2024-2025", "2025-2026", "2026-2027")


def unit_of(school: tuple[str, str, str]) -> Unit:
    return Unit(school[0], school[1], school[1], "school")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A usual city, in which one school has pass rates of five years, one of them withheld."""
    path = write_warehouse(tmp_path_factory.mktemp("report") / "warehouse.duckdb", City())
    with duckdb.connect(str(path)) as con:
        for stage, subject in (
            ("all", "all"), ("primary", "all"), ("primary", "chinese"), ("primary", "mathematics"),
        ):  # fmt: skip
            for i, year in enumerate(YEARS):
                mark = "c" if (subject, i) == ("mathematics", 2) else "u" if i == 1 else None
                shown = [0.61 + i / 20, 0.5 + i / 20, 0.7 + i / 20] if mark != "c" else [None] * 3
                change = [1.5, -9.5, 12.5] if mark != "c" and i else [None] * 3
                con.execute(
                    "insert into published.pass_rate_trend by name select 'school' as level, ? as "
                    "unit_code, ? as stage, ? as subject, ? as school_year, ?::bigint as n, "
                    "? as pass_rate, ? as pass_low, ? as pass_high, ? as year_change_points, "
                    "? as year_change_low, ? as year_change_high, ? as previous_year, "
                    "'compared' as comparability, ? as mark",
                    [
                        *(SCHOOL[0], stage, subject, year, None if mark == "c" else 150, *shown),
                        *(*change, YEARS[i - 1] if i else None, mark),
                    ],
                )
    return path


@pytest.fixture
def published(warehouse: Path) -> Iterator[Published]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        yield Published(con)


def words(text: str) -> str:
    """The text of a page, without its tags and its style."""
    body = text.partition("<body>")[2]
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", body)))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_value_added_is_told_as_the_page_of_the_school_tells_it(
    published: Published, lang: Lang
) -> None:
    page = value_added.build(published, unit_of(SCHOOL), lang).context["added"]
    told = squeezed(words(report_text(published, unit_of(SCHOOL), lang, RELEASE)))
    assert squeezed(page["title"]) in told and squeezed(page["measure"]) in told
    cells = 0
    for grade in page["grades"]:
        for head, cell in zip(grade["heads"], grade["lines"][0][2], strict=True):
            own = f"{grade['name']}·{head}{cell.text}{cell.mark}{cell.below}"
            assert squeezed(own) in told
            cells += 1
    assert cells == 3


@pytest.mark.parametrize("lang", LANGUAGES)
def test_competencies_are_told_as_the_page_of_the_school_tells_them(
    published: Published, lang: Lang
) -> None:
    page = competencies.build(published, unit_of(SCHOOL), lang).context
    told = squeezed(words(report_text(published, unit_of(SCHOOL), lang, RELEASE)))
    for sentence in (page["headline"], *page["sentences"]):
        assert squeezed(sentence) in told


def test_pass_rates_are_those_of_the_layer_beside_the_citys(published: Published) -> None:
    view = school_report.build(published, unit_of(SCHOOL), "zh")
    assert view.context["headline"] == (
        "第3实验学校合格率 81.0%，与上年的差异尚不明确（+1.5 个百分点，95%区间 −9.5～12.5）"
    )
    # Of five years the newest four; its only stage is told once.
    assert view.context["years"] == ["2023–2024", "2024–2025", "2025–2026", "2026–2027"]
    ((stage, chains),) = view.context["stages"]
    assert (stage, [c.name for c in chains]) == ("小学", ["各学科合并", "语文", "数学"])
    for chain, subject in zip(chains, ("all", "chinese", "mathematics"), strict=True):
        for cell, year in zip(chain.rates, YEARS[1:], strict=True):
            (row,) = published.rows(
                "from published.pass_rate_trend where level = 'school' and stage = 'primary' "
                "and subject = ? and school_year = ?",
                [subject, year],
            )
            assert cell.mark == (row["mark"] or "")
            if row["mark"] != "c":
                n = row["n"]
                assert cell.text == percent(row["pass_rate"], n, "zh")
                assert cell.below == percent_interval(row["pass_low"], row["pass_high"], n, "zh")
        (city,) = published.rows(
            "from published.pass_rate_trend where level = 'city' and stage = 'primary' "
            "and subject = ? and school_year = '2026-2027'",
            [subject],
        )
        assert chain.city.text == percent(city["pass_rate"], city["n"], "zh")
    assert chains[2].rates[1].mark == "c" and not chains[2].rates[1].text


def test_a_school_stands_beside_its_district_and_the_city_and_no_other_school(
    published: Published,
) -> None:
    told = words(report_text(published, unit_of(SCHOOL), "zh", RELEASE))
    assert DISTRICTS[SCHOOL[2]] in told
    for code, name, _district in SCHOOLS:
        if code != SCHOOL[0]:
            assert code not in told and name not in told
    for code, name in DISTRICTS.items():
        if code != SCHOOL[2]:
            assert code not in told and name not in told
    lines = {line.name: line.cells for line in school_report.build(
        published, unit_of(SCHOOL), "zh"
    ).context["beside"]}  # fmt: skip
    for level, cell in zip(("school", "district", "city"), lines["随堂监测达标率"], strict=True):
        code = {"school": SCHOOL[0], "district": SCHOOL[2], "city": "370400"}[level]
        (row,) = published.rows(
            "from published.inclass_check where level = ? and unit_code = ? "
            "qualify school_year = max(school_year) over ()",
            [level, code],
        )
        if row["rate"] is None:
            assert cell.mark == row["mark"]
        else:
            assert cell.text == percent(row["rate"], row["tested"], "zh")
    # Staff are told of by district only.
    assert lines["教师：规定期限内受训"][0].below == "仅按区（市）发布"


def test_where_nothing_is_known_it_is_said(tmp_path: Path) -> None:
    path = write_warehouse(tmp_path / "w.duckdb", City(results=False, registered=False))
    with duckdb.connect(str(path)) as con:
        for (table,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'published'"
        ).fetchall():
            if table != "unit":
                con.execute(f"delete from published.{table}")
        told = words(report_text(Published(con), unit_of(SILENT), "zh", RELEASE, "内部稿"))
    for said in (
        "本版本没有第2实验学校的合格率", "合格率须有本校参加年度监测的成绩", "暂无本校的增值",
        "尚未收到听课、随堂监测和培训材料", "内部稿",
    ):  # fmt: skip
        assert said in told


def unpacked(content: bytes) -> dict[int, bytes]:
    """The objects of a PDF that Chromium wrote, by their number, with streams unpacked."""
    found = {}
    for number, body in re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", content, re.S):
        head, _, stream = body.partition(b"stream\n")
        if stream and b"FlateDecode" in head:
            body = head + zlib.decompressobj().decompress(stream)
        found[int(number)] = body
    return found


def text_of(content: bytes) -> str:
    """The text that somebody can select: glyphs by the fonts' own tables of characters."""
    objects = unpacked(content)
    fonts: dict[bytes, dict[bytes, str]] = {}
    for body in objects.values():
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", body):
            table = re.search(rb"/ToUnicode (\d+) 0 R", objects[int(number)])
            if table:
                fonts[name] = characters(objects[int(table[1])])
    said = []
    for body in objects.values():
        known: dict[bytes, str] = {}
        meant = False
        for font, text, glyphs, ended in re.findall(
            rb"/(F\d+) [\d.]+ Tf|/ActualText <FEFF([0-9A-F]+)>|<([0-9A-F]+)> Tj|(EMC)", body
        ):
            if font:
                known = fonts.get(font, {})
            elif text:
                # Of characters that share a glyph, the one that is meant.
                said.append(bytes.fromhex(text.decode()).decode("utf-16-be"))
                meant = True
            elif ended:
                meant = False
            elif not meant:
                wide = len(next(iter(known), b"00"))
                codes = (glyphs[i : i + wide] for i in range(0, len(glyphs), wide))
                said.append("".join(known.get(code, "") for code in codes))
    return "".join(said)


def characters(table: bytes) -> dict[bytes, str]:
    """Glyph → characters."""
    found: dict[bytes, str] = {}
    for part in re.findall(rb"beginbfchar(.*?)endbfchar", table, re.S):
        for glyph, text in re.findall(rb"<([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)>", part):
            found[glyph.upper()] = bytes.fromhex(text.decode()).decode("utf-16-be")
    for part in re.findall(rb"beginbfrange(.*?)endbfrange", table, re.S):
        for first, last, text in re.findall(
            rb"<([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)>", part
        ):
            at = int(text, 16)
            for i in range(int(first, 16), int(last, 16) + 1):
                found[b"%0*X" % (len(first), i)] = chr(at + i - int(first, 16))
    return found


def alone(work: Callable[[], Any]) -> Any:
    """What it answers in a thread of its own: other tests keep a Chromium open in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


@printing
@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_is_two_sheets_of_text_with_its_fonts(
    warehouse: Path, tmp_path: Path, lang: Lang
) -> None:
    told: list[tuple[int, int]] = []
    files = alone(
        lambda: write_reports(
            warehouse,
            tmp_path / "out",
            release_id=RELEASE,
            codes=[SCHOOL[0], SILENT[0]],
            langs=[lang],
            tell=lambda done, of: told.append((done, of)),
        )
    )
    assert [f.name for f in files] == [f"school-{s[0]}-{lang}.pdf" for s in (SCHOOL, SILENT)]
    assert sorted((tmp_path / "out").iterdir()) == sorted(files)
    assert told == [(0, 2), (1, 2), (2, 2)]
    for file, school in zip(files, (SCHOOL, SILENT), strict=True):
        content = file.read_bytes()
        assert len(re.findall(rb"/Type\s*/Page\b", content)) == 2
        box = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
        assert {(round(float(w)), round(float(h))) for w, h in box} == {(595, 842)}
        objects = unpacked(content).values()
        fonts = [body for body in objects if b"/Type /Font\n" in body]
        # Chromium draws the glyphs of Noto's outlines into the file itself.
        assert fonts and all(b"/CharProcs" in body or b"/FontFile" in body for body in fonts)
        with duckdb.connect(str(warehouse), read_only=True) as con:
            page = words(report_text(Published(con), unit_of(school), lang, RELEASE))
        printed = squeezed(text_of(content))
        for word in set(page.split()):
            assert word in printed, word


@printing
def test_what_runs_over_is_printed_smaller_and_never_on_a_third_sheet() -> None:
    lines = "".join(f"<p style='margin:0;line-height:10mm'>{i}</p>" for i in range(64))

    def work() -> bytes:
        with printer() as printed:
            return printed(f"<style>@page{{size:A4;margin:12mm}}</style>{text}")

    text = lines
    assert len(re.findall(rb"/Type\s*/Page\b", alone(work))) == 2
    text = lines * 3
    with pytest.raises(ReportError, match="two sheets"):
        alone(work)


def test_a_code_that_does_not_exist_is_answered_with_those_that_do(
    warehouse: Path, tmp_path: Path
) -> None:
    with pytest.raises(NoSuchSchool) as error:
        write_reports(warehouse, tmp_path, release_id=RELEASE, codes=["3137000033"], langs=["zh"])
    assert "3137000003" in str(error.value) and "12" in str(error.value)
    with pytest.raises(NoSuchSchool, match="370402"):
        # A district is no school.
        write_reports(warehouse, tmp_path, release_id=RELEASE, codes=["370402"], langs=["zh"])


def test_without_chromium_or_a_chinese_font_it_is_said_what_to_install(
    warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"release_id": RELEASE, "codes": [SCHOOL[0]], "langs": ["zh"]}
    monkeypatch.setattr(report.shutil, "which", lambda name: None)
    with pytest.raises(NoPrinter, match="apt-get install chromium"):
        write_reports(warehouse, tmp_path, **given)
    monkeypatch.setattr(report.shutil, "which", lambda name: "/bin/true")
    with pytest.raises(NoPrinter, match="fonts-noto-cjk"):
        write_reports(warehouse, tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def home(warehouse: Path, tmp_path: Path) -> Path:
    """A home with one release, and one that is older than the tables that reports read."""
    for name in (RELEASE, "ba9876543210"):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(json.dumps({"made_at": "", "inputs": []}))
        (folder / "warehouse.duckdb").write_bytes(warehouse.read_bytes())
    with duckdb.connect(str(folder / "warehouse.duckdb")) as con:
        con.execute("drop table published.inclass_check")
    (tmp_path / "current").symlink_to(f"releases/{RELEASE}")
    return tmp_path


@printing
def test_the_command_prints_reports_of_the_release_that_is_served(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ["report", "--school", SCHOOL[0], "--lang", "zh", "--home", str(home)]
    done = alone(lambda: CliRunner().invoke(app, ask))
    assert done.exit_code == 0, done.output
    assert (home / "reports" / RELEASE / f"school-{SCHOOL[0]}-zh.pdf").is_file()
    told = Event("embargoed", RELEASE, "2126-01-01", until="2126-07-10T01:00:00+00:00")
    tell(home / "releases", told)
    seen: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(report, "report_text", lambda *given: seen.append(given[-1]) or "x")
        again = alone(lambda: CliRunner().invoke(app, ask))
    assert again.exit_code == 0, again.output
    assert seen == ["限监测中心内部，请勿外传，至 2126-07-10T01:00:00+00:00"]
    old = alone(lambda: CliRunner().invoke(app, [*ask, "--release", "ba9876543210"]))
    assert old.exit_code == 1 and "inclass_check" in old.output
    assert not (home / "reports" / "ba9876543210" / f"school-{SCHOOL[0]}-zh.pdf").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--school", "999"], "No school 999"),
        (["--all", "--release", "000000000000"], "no release 000000000000"),
        ([], "--school CODE or --all"),
        (["--all", "--school", SCHOOL[0]], "--school CODE or --all"),
        (["--all", "--lang", "fr"], "--lang zh or en"),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(home: Path, asked: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["report", *asked, "--home", str(home)])
    assert done.exit_code == 2 and said in done.output
