"""The measured city is one that intake takes whole, so that the figures are those of real work."""

from pathlib import Path

from bench.city import Size, write_raw
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
