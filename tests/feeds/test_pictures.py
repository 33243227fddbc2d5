"""The pictures of schools.md show the workbooks as they are now written."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_each_picture_shows_the_workbook_of_today(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec and spec.loader
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    made = pictures.make(tmp_path)
    told = (DOCS / "schools.md").read_text(encoding="utf-8")
    for name, workbook in made.items():
        shown = pictures.kept(DOCS / name)
        assert shown == pictures.digest(workbook), f"{name}: run docs/pictures.py"
        assert f"]({name})" in told
