"""The measured city is one that intake takes whole, so that the figures are those of real work."""

from pathlib import Path

import duckdb

from bench.city import Size, write_raw, write_standing
from pipelines.feeds import load_contracts
from pipelines.intake import freeze, ingest
from pipelines.settings import Settings


def test_every_row_of_the_measured_city_lands_and_stands(tmp_path: Path) -> None:
    size = Size(students=400, years=2, subjects=3)
    write_raw(size, tmp_path / "raw")
    settings = Settings.load(
        raw=tmp_path / "raw",
        home=tmp_path / "home",
        pseudonym_key_file=tmp_path / "pseudonym.key",
    )
    reports = ingest(settings)
    assert [problem for report in reports for problem in report.problems] == []
    assert freeze(settings).rows["monitoring_results"] == size.results == 2400


def test_the_standing_city_is_the_one_that_intake_makes(tmp_path: Path) -> None:
    """The same rows, but for keys and origin, in the columns and places of landed files."""
    size = Size(students=400, years=2, subjects=3)
    write_raw(size, tmp_path / "raw")
    settings = Settings.load(
        raw=tmp_path / "raw", home=tmp_path / "home", pseudonym_key_file=tmp_path / "pseudonym.key"
    )
    ingest(settings)
    landed = freeze(settings).path
    write_standing(size, tmp_path / "made")
    for feed, contract in load_contracts().items():
        paths = [f"{folder}/{feed}/*/*.parquet" for folder in (landed, tmp_path / "made")]
        own = {"student_key", "source_file", "source_sheet", "source_row", "file_sha256"}
        columns = ", ".join(c for c in contract.landed if c not in {*own, "key_id", "loaded_at"})
        rows = [
            duckdb.sql(f"select {columns} from read_parquet('{path}') order by all").fetchall()
            for path in paths
        ]
        assert rows[0] == rows[1], feed
        if feed in ("students", "monitoring_results"):
            assert rows[0]
            keys = "select count(distinct student_key) from read_parquet('{}')"
            counts = {duckdb.sql(keys.format(path)).fetchall()[0][0] for path in paths}
            assert len(counts) == 1
