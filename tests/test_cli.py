"""The command line, as a person types it."""

import json
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


def test_a_sample_is_written_once(tmp_path: Path) -> None:
    command = ["sample", "--out", str(tmp_path / "city"), "--students", "40", "--years", "1"]
    assert json.loads(run(app, [*command, "--json"]).output)["students"] == 40
    assert (tmp_path / "city.truth" / "truth.json").exists()
    again = run(app, command)
    assert again.exit_code == 2
    assert "holds files already" in again.output
