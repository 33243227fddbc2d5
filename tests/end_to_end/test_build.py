"""From an empty home to a page: one command, and what it leaves behind."""

import hashlib
import json
import os
import stat
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from pipelines.release.verify import links
from tests.end_to_end.conftest import SEED, STUDENTS, YEARS, House, NewHouse

TABLES = ("marts.attainment", "marts.pass_rate_trend", "marts.reporting", "marts.unit")
CELL = ["school_year", "grade", "subject", "level", "unit_code"]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def truth(city: House, name: str) -> pd.DataFrame:
    path = city.raw.with_name("raw.truth") / f"{name}.csv"
    return pd.read_csv(path, dtype={"unit_code": str})


def test_every_student_and_pass_that_was_put_in_is_counted(city: House) -> None:
    put_in = truth(city, "cells").set_index(CELL).sort_index()
    found = city.rows(
        "select *, round(pass_rate * n)::int as passes from marts.attainment "
        "where group_kind = 'all' and level <> 'class'"
    )
    found = found.set_index(CELL).sort_index()
    assert list(found.index) == list(put_in.index)
    for column in ("candidates", "n", "passes"):
        assert (found[column].fillna(0) == put_in[column].fillna(0)).all(), column
    both = put_in["n"] > 0
    assert np.allclose(found.loc[both, "mean_score"], put_in.loc[both, "mean_score"], atol=1e-9)


def test_intervals_hold_the_rate_that_was_put_in_about_as_often_as_they_say(city: House) -> None:
    """Cells of one school and year share students, so the share may stray from 95 % a little."""
    put_in = truth(city, "cells").query("level == 'school'").set_index(CELL)
    found = city.rows("select * from marts.attainment where level = 'school'")
    found = found.query("group_kind == 'all' and n >= 10").set_index(CELL)
    rate = put_in["expected_pass_rate"].reindex(found.index)
    held = (found["pass_low"] <= rate) & (rate <= found["pass_high"])
    assert len(found) > 200
    assert 0.92 < held.mean() <= 0.99


def test_the_rise_that_was_put_in_is_found(city: House) -> None:
    model = json.loads((city.raw.with_name("raw.truth") / "truth.json").read_text())["model"]
    planted = model["pass_rate_and_rise_by_stage_and_subject"]
    found = city.rows(
        "select stage || '/' || subject as cell, change_low, change_high "
        "from marts.pass_rate_trend where level = 'city' and school_year = '2025-2026' "
        "and stage <> 'all' and subject <> 'all' and comparability = 'compared'"
    ).set_index("cell")
    rises = pd.Series({cell: 2 * 100 * rise for cell, (_, rise) in planted.items()})
    both = found.join(rises.rename("rise"), how="inner")
    assert len(both) >= 10
    held = (both["change_low"] <= both["rise"]) & (both["rise"] <= both["change_high"])
    # Schools drift by years of their own, which an interval over students does not hold.
    assert held.mean() >= 0.75


def test_a_release_says_what_it_is_made_of(city: House) -> None:
    record = city.record()
    assert record["release_id"] == city.current.name
    files = [p for p in city.raw.rglob("*") if p.is_file()]
    assert len(record["inputs"]) == len(files)
    for entry in record["inputs"][:5]:
        content = (city.raw / entry["source_file"]).read_bytes()
        assert entry["file_sha256"] == hashlib.sha256(content).hexdigest()
    assert {c["source"]: c["failed"] for c in record["checks"]} == {
        "great_expectations": 0,
        "dbt": 0,
    }
    assert record["rows"]["marts.attainment"] == len(city.rows("from marts.attainment"))
    stages = {s["stage"]: s for s in record["stages"]}
    assert stages["landing__students"]["rows"] == record["standing_rows"]["students"]
    assert stages["landing__students"]["rows"] == STUDENTS * YEARS
    landed = (city.home / "landing" / "students").rglob("*.parquet")
    assert stages["landing__students"]["bytes"] == sum(p.stat().st_size for p in landed)
    models = {m["model"]: m["seconds"] for m in record["models"]}
    assert models["attainment"] > 0 and list(models.values()) == sorted(models.values())[::-1]
    assert all(s["seconds"] >= 0 for s in stages.values()) and stages["release__site"]["bytes"] > 0
    assert (city.current / "docs" / "index.html").stat().st_size > 100_000


class Named(HTMLParser):
    """The addresses that a page names, as a reader of HTML finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def test_every_link_of_a_page_was_followed(city: House) -> None:
    followed = 0
    for folder in ("site", "data_docs", "analysis"):
        pages = list((city.current / folder).rglob("*.html"))
        assert len(pages) > 10
        for page in pages:
            text, parser = page.read_text(encoding="utf-8"), Named()
            parser.feed(text)
            assert links(text) == parser.found, page
            followed += len(parser.found)
    assert city.record()["links_followed"] == followed > 1000


def test_the_warehouse_tells_of_submissions_and_checks(city: House) -> None:
    files = city.rows("select state, count(*) as n from ops.submission group by state")
    assert files.to_dict("records") == [{"state": "published", "n": len(city.record()["inputs"])}]
    owed = city.rows("select state, count(*) as n from ops.owed group by state").set_index("state")
    assert set(owed.index) == {"not_submitted", "published"} and owed["n"].min() > 50
    checks = city.rows("from ops.quality_check")
    assert checks["passed"].all() and set(checks["source"]) == {"great_expectations", "dbt"}
    assert {"standing.students", "marts.attainment"} <= set(checks["on_table"])
    assert city.rows("select release_id from ops.release").values.tolist() == [[city.current.name]]


def test_students_are_in_the_release_by_pseudonym_in_restricted_only(city: House) -> None:
    with duckdb.connect(str(city.current / "warehouse.duckdb"), read_only=True) as con:
        names = con.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
        ).fetchall()
    assert {schema for schema, _, _ in names} == {"marts", "restricted", "published", "ops"}
    assert {schema for schema, _, column in names if column == "student_key"} == {"restricted"}
    assert "student_no" not in {column for _, _, column in names}
    # Of figures, software and settings.
    assert {table for _, table, column in names if column == "name"} == {"metric", "made_with"}


def test_no_number_of_a_student_is_in_clear_anywhere_in_the_home(city: House) -> None:
    roll = next((city.raw / "students" / "2025-2026").glob("*.csv"))
    rows = pd.read_csv(roll, dtype=str, encoding="utf-8-sig")
    secrets = [*rows["学籍号"].head(20), *(n for n in rows["姓名"].head(20) if len(n) > 2)]
    needles = [secret.encode() for secret in secrets]
    looked_at = 0
    for path in city.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet":
                with duckdb.connect() as con:
                    table = con.sql(f"from read_parquet('{path}')").df()
                content = table.to_csv(index=False).encode()
            assert not any(needle in content for needle in needles), path
            looked_at += 1
    assert looked_at > 100
    assert stat.S_IMODE(city.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((city.home / "landing").stat().st_mode) == 0o700


def test_a_second_build_of_unchanged_files_makes_nothing_anew(city: House) -> None:
    before = {p: p.stat().st_mtime_ns for p in city.current.rglob("*")}
    report = city.report("build")
    assert report["released"] and report["reused"]
    assert {p: p.stat().st_mtime_ns for p in city.current.rglob("*")} == before
    assert [r["current"] for r in city.report("releases", "list")] == [True]


def test_the_same_files_give_the_same_release_elsewhere(
    city: House, tmp_path: Path, new_house: NewHouse
) -> None:
    """Another folder, another time, files that arrive in two lots: equal names, tables, pages."""
    raw = tmp_path / "elsewhere"
    other = replace(new_house(tmp_path), raw=raw, key=city.key)
    late = raw / "monitoring_results" / "2025-2026"
    for path in city.raw.rglob("*"):
        if path.is_file():
            target = raw / path.relative_to(city.raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    aside = tmp_path / "late"
    late.rename(aside)
    other.eqm("ingest")
    aside.rename(late)
    other.eqm("build")
    assert other.current.name == city.current.name
    for table in TABLES:
        ours, theirs = (house.rows(f"from {table}") for house in (city, other))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert digests(other.current / "site") == digests(city.current / "site")
    assert digests(other.current / "downloads") == digests(city.current / "downloads")
    assert digests(other.current / "analysis") == digests(city.current / "analysis")


def test_status_tells_what_stands(city: House) -> None:
    status = city.report("status")
    feeds = {f["feed"]: f for f in status["feeds"]}
    assert feeds["students"]["rows"] == STUDENTS * YEARS and feeds["students"]["refused"] == 0
    assert feeds["training_logs"]["rows"] > 0
    assert status["release"]["release_id"] == city.current.name
    assert status["release"]["failed_checks"] == 0 and not status["scheduler_running"]
    words = city.eqm("status")
    assert "training_logs" in words and city.current.name in words


def test_the_truth_is_that_of_this_city(city: House) -> None:
    arguments = json.loads((city.raw.with_name("raw.truth") / "truth.json").read_text())
    assert arguments["arguments"] == {"students": STUDENTS, "years": YEARS, "seed": SEED}
    assert not list(city.raw.rglob("*truth*"))
