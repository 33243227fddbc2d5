"""An earlier release's pages are used again exactly where nothing that they show has changed."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from made_up_city import SCHOOLS, City, write_warehouse

from dashboards.pages import PAGES, Published
from dashboards.pages.base import Row
from dashboards.shelf import LIST
from dashboards.site import RenderReport, press, render_site
from dashboards.site.asked import RECORD, Asking, tables_of, unchanged

CODE = "digest of the code"
CHANGED, DISTRICT = SCHOOLS[6][0], SCHOOLS[6][2]
OF_SCHOOLS = {
    "classrooms.html",
    f"district/{DISTRICT}/classrooms.html",
    f"district/{DISTRICT}/competencies.html",
    f"district/{DISTRICT}/submissions.html",
    f"district/{DISTRICT}/value-added.html",
}
"""The pages beside its own that ask for schools."""


def pages_of(school: str) -> set[str]:
    """The pages of a school."""
    return {page.path.format(code=school) for page in PAGES if page.level == "school"}


FIRST, SECOND = "r-0123456789ab", "r-ba9876543210"


def render(folder: Path, release_id: str, **more: Any) -> RenderReport:
    """The site of the warehouse that lies in the folder of a release."""
    given = {"unit_name_zh": "全市", "unit_name_en": "the city", "unit_code": City().code}
    return render_site(
        folder / "warehouse.duckdb",
        folder / "site",
        folder / "downloads",
        release_id=release_id,
        **{"code": CODE, **given, **more},
    )


def content(folder: Path) -> dict[str, bytes]:
    """Everything that was rendered."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".duckdb"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of a city of few schools and their districts. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("earlier")
    write_warehouse(folder / "warehouse.duckdb", City())
    few = ", ".join(f"'{code}'" for code, _, _ in SCHOOLS[5:8])
    with duckdb.connect(str(folder / "warehouse.duckdb")) as con:
        con.execute(
            f"delete from published.unit where level = 'school' and unit_code not in ({few})"
            " or level = 'district' and unit_code not in (select parent_code from published.unit"
            f" where unit_code in ({few}))"
        )
    assert render(folder, FIRST).reused == 0
    return folder


@pytest.fixture(scope="session")
def later(earlier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next release of the same figures, made from nothing. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("later")
    shutil.copyfile(earlier / "warehouse.duckdb", folder / "warehouse.duckdb")
    assert render(folder, SECOND).reused == 0
    return folder


@pytest.fixture
def next_one(earlier: Path, tmp_path: Path) -> Callable[..., Path]:
    """The warehouse of a next release, after a statement has changed it."""

    def give(statement: str = "", name: str = "next") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copyfile(earlier / "warehouse.duckdb", folder / "warehouse.duckdb")
        with duckdb.connect(str(folder / "warehouse.duckdb")) as con:
            con.execute(statement or "select 1")
        return folder

    return give


def all_pages(earlier: Path) -> set[str]:
    return {name for name in content(earlier) if name.endswith(".html")}


def test_where_nothing_changed_every_page_is_used_again_under_the_new_release(
    earlier: Path, later: Path, next_one: Callable[..., Path]
) -> None:
    made = next_one()
    assert render(made, SECOND, earlier=earlier).reused == len(all_pages(earlier))
    assert content(made) == content(later)
    assert FIRST.encode() not in b"".join(content(made).values())


@pytest.mark.parametrize(
    ("statement", "anew"),
    [
        (
            f"update published.value_added set n = n + 1 where unit_code = '{CHANGED}' "
            "and school_year = '2026-2027' and n > 30",
            {f"school/{CHANGED}/value-added.html", f"district/{DISTRICT}/value-added.html"},
        ),
        # Of another wave than the one that pages show.
        ("update published.value_added set n = 0 where school_year < '2026-2027'", set()),
        (
            f"update published.unit set unit_name = '新名学校' where unit_code = '{CHANGED}'",
            {*pages_of(CHANGED), *OF_SCHOOLS},
        ),
        (
            "update published.pass_rate_trend set n = n + 1 where level = 'city'",
            {"index.html", "pass-rates.html"},
        ),
        (f"delete from published.value_added where unit_code = '{CHANGED}'", {
            *(f"school/{CHANGED}/{name}.html" for name in ("index", "value-added")),
            f"district/{DISTRICT}/value-added.html",
        }),
        (
            "insert into published.unit values "
            f"('school', '3137000099', '新建学校', '{DISTRICT}')",
            pages_of("3137000099"),
        ),
        (
            f"delete from published.unit where unit_code = '{CHANGED}'",
            OF_SCHOOLS | {"submissions.html"},
        ),
    ],
)  # fmt: skip
def test_only_pages_whose_figures_changed_are_made_anew(
    earlier: Path, next_one: Callable[..., Path], statement: str, anew: set[str]
) -> None:
    made, nothing = next_one(statement), next_one(statement, "nothing")
    report = render(made, SECOND, earlier=earlier)
    render(nothing, SECOND)
    assert content(made) == content(nothing)
    before, pages = content(earlier), {name: content(made)[name] for name in all_pages(made)}
    changed = {
        name
        for name, text in pages.items()
        if text != before.get(name, b"").replace(FIRST.encode(), SECOND.encode())
    }
    expected = {f"site/{lang}{place}" for place in anew for lang in ("", "en/")}
    assert changed <= expected
    assert report.reused == len(pages) - len(expected)


def test_of_tables_that_are_what_they_were_nothing_is_asked(
    earlier: Path, next_one: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = next_one("update published.value_added set n = 0 where school_year < '2026-2027'")
    asked, digest = [], Asking.digest

    def told(self: Asking, query: str, given: tuple[str | int, ...]) -> str:
        asked.append(query)
        return digest(self, query, given)

    monkeypatch.setattr(Asking, "digest", told)
    assert render(made, SECOND, earlier=earlier).reused == len(all_pages(earlier))
    assert asked
    assert all("published.value_added" in query for query in asked)


def test_a_page_that_does_not_hold_is_made_of_the_answers_that_told_so(
    earlier: Path, next_one: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = next_one("update published.value_added set n = n + 1 where n > 30")
    sheet, rows, ended = press.Press.sheet, Published.rows, []
    asked: list[tuple[str, tuple[str | int, ...]]] = []

    def counted(self: Published, query: str, given: Sequence[str | int] = ()) -> list[Row]:
        asked.append((query, tuple(given)))
        return rows(self, query, given)

    def of_one(self: press.Press, task: press.Task) -> press.Sheet:
        asked.clear()
        found = sheet(self, task)
        ended.append((found.reused, len(asked), len(set(asked))))
        return found

    monkeypatch.setattr(Published, "rows", counted)
    monkeypatch.setattr(press.Press, "sheet", of_one)
    render(made, SECOND, earlier=earlier)
    assert any(not reused and questions > 1 for reused, questions, _ in ended)
    assert all(questions == different for _, questions, different in ended)


def test_the_tables_of_a_question_are_those_that_the_engine_reads(earlier: Path) -> None:
    queries = json.loads((earlier / RECORD).read_text(encoding="utf-8"))["queries"]
    assert queries
    with duckdb.connect(str(earlier / "warehouse.duckdb"), read_only=True) as con:
        every = con.execute("select schema_name || '.' || table_name from duckdb_tables()")
        known = {name for (name,) in every.fetchall()}
        for query in queries:
            found = con.get_table_names(query.replace("?", "null"), qualified=True)
            read = {name.split()[0].replace('"', "") for name in found}
            named = {f"published.{table}" for table in tables_of(query)}
            # Parts of the question itself have names, too, but no schema.
            assert named == {name for name in read if "." in name}, query
            assert named and named <= known, query


@pytest.mark.parametrize(
    "statement",
    [
        "update published.unit set unit_name = unit_name || ' '",
        "insert into published.unit from published.unit limit 1",
        "delete from published.unit",
        "alter table published.unit alter unit_name type blob using encode(unit_name)",
        "alter table published.unit rename unit_name to name_of_unit",
        "alter table published.unit add column more integer",
        "drop table published.unit",
    ],
)
def test_a_table_is_what_it_was_with_the_same_columns_and_rows(
    earlier: Path, next_one: Callable[..., Path], statement: str
) -> None:
    with duckdb.connect(str(earlier / "warehouse.duckdb"), read_only=True) as con:
        found = con.execute("select table_name from duckdb_tables() where schema_name='published'")
        every = {name for (name,) in found.fetchall()}
    assert unchanged(next_one() / "warehouse.duckdb", earlier) == every
    made = next_one(statement, "other") / "warehouse.duckdb"
    assert unchanged(made, earlier) == every - {"unit"}


def test_of_an_earlier_warehouse_that_is_lost_or_damaged_all_is_asked_again(
    later: Path, earlier: Path, next_one: Callable[..., Path], tmp_path: Path
) -> None:
    before = shutil.copytree(earlier, tmp_path / "before")
    (before / "warehouse.duckdb").write_bytes(b"no database")
    made = next_one()
    assert unchanged(made / "warehouse.duckdb", before) == frozenset()
    (before / "warehouse.duckdb").unlink()
    assert unchanged(made / "warehouse.duckdb", before) == frozenset()
    assert render(made, SECOND, earlier=before).reused == len(all_pages(earlier))
    assert content(made) == content(later)


@pytest.mark.parametrize(
    "changed",
    [
        {"code": "digest of another template, catalogue or figure"},
        {"code": ""},
        {"unit_name_en": "Zaozhuang"},
        {"unit_name_zh": "枣庄市"},
    ],
)
def test_other_code_or_names_make_every_page_anew(
    earlier: Path, next_one: Callable[..., Path], changed: dict[str, str]
) -> None:
    assert render(next_one(), SECOND, earlier=earlier, **changed).reused == 0


def test_what_was_made_without_knowing_the_code_is_not_used_again(
    earlier: Path, next_one: Callable[..., Path]
) -> None:
    unknown = next_one(name="unknown")
    render(unknown, FIRST, code="")
    assert render(next_one(), SECOND, earlier=unknown).reused == 0


@pytest.mark.parametrize(
    "damaged",
    [
        f"site/school/{CHANGED}/index.html",
        f"site/en/school/{CHANGED}/index.html",
        f"site/downloads/value-added-school-{CHANGED}.csv",
        f"site/downloads/value-added-school-{CHANGED}.xlsx",
    ],
)
@pytest.mark.parametrize("how", ["changed", "cut short", "lost"])
def test_a_file_that_is_not_as_it_was_written_is_not_used(
    earlier: Path,
    later: Path,
    next_one: Callable[..., Path],
    tmp_path: Path,
    damaged: str,
    how: str,
) -> None:
    before = shutil.copytree(earlier, tmp_path / "before")
    whole = (before / damaged).read_bytes()
    (before / damaged).unlink()
    if how != "lost":
        worse = whole.replace(b"1", b"2") if how == "changed" else whole[:-9]
        assert worse != whole
        (before / damaged).write_bytes(worse)
    made = next_one()
    assert render(made, SECOND, earlier=before).reused == len(all_pages(earlier)) - 2
    assert content(made) == content(later)


@pytest.mark.parametrize("record", [RECORD, LIST])
@pytest.mark.parametrize("told", [None, "[]", '{"made_by": "', '{"files": {}}'])
def test_without_a_whole_record_every_page_is_made_anew(
    earlier: Path,
    later: Path,
    next_one: Callable[..., Path],
    tmp_path: Path,
    record: str,
    told: str | None,
) -> None:
    before = shutil.copytree(earlier, tmp_path / "before")
    (before / record).unlink()
    if told is not None:
        (before / record).write_text(told)
    made = next_one()
    assert render(made, SECOND, earlier=before).reused == 0
    assert content(made) == content(later)


def test_an_answer_is_known_by_its_values_and_their_types_and_order(
    earlier: Path, next_one: Callable[..., Path]
) -> None:
    made = next_one(
        "alter table published.reporting alter schools_expected type double",
    )
    # Front pages and pass rates alone ask for it: 60 schools became 60.0.
    anew = [
        name
        for name in all_pages(earlier)
        if "school/" not in name and name.endswith(("index.html", "pass-rates.html"))
    ]
    assert render(made, SECOND, earlier=earlier).reused == len(all_pages(earlier)) - len(anew)


def test_processes_make_the_same_files_and_progress_is_told(
    earlier: Path, next_one: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(press, "FEW", 0)
    told: list[tuple[int, int]] = []
    made = next_one()
    report = render(made, FIRST, workers=2, tell=lambda done, of: told.append((done, of)))
    assert report.reused == 0
    assert content(made) == content(earlier)
    units = len(json.loads((made / RECORD).read_text(encoding="utf-8"))["pages"])
    assert told == [(done, units) for done in range(1, units + 1)]


def test_a_fault_in_a_process_is_raised(
    next_one: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(press, "FEW", 0)
    made = next_one("drop table published.value_added")
    with pytest.raises(duckdb.CatalogException, match="value_added"):
        render(made, FIRST, workers=2)
