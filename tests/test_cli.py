"""The command line, as a person types it."""

from pathlib import Path

from typer.testing import CliRunner

from pipelines.cli import app

run = CliRunner().invoke


def test_a_template_is_written(tmp_path: Path) -> None:
    target = tmp_path / "students.xlsx"
    assert run(app, ["template", "students", "-o", str(target)]).exit_code == 0
    assert target.stat().st_size > 0


def test_an_unknown_feed_lists_the_known_ones() -> None:
    result = run(app, ["template", "pupils"])
    assert result.exit_code == 2
    assert "students" in result.output
