"""The analysts' page: up to date, complete, and its chapter on adding things is true."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.feeds import ContractError, codes, contract_files, load_contracts, rules
from pipelines.feeds.contract import FOLDER
from pipelines.feeds.pages import HOW_TO_ADD, page
from pipelines.settings import PROJECT, Settings
from pipelines.wording.catalogue import CATALOGUE
from tests.feeds.conftest import YEAR


def test_the_page_is_up_to_date() -> None:
    assert (PROJECT / "docs" / "feeds.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_page_leaves_nothing_out() -> None:
    text = page()
    for contract in load_contracts().values():
        assert f"\n## {contract.feed}\n" in text
        for column in contract.columns:
            assert all(word in text for word in (f"| `{column.name}` |", *column.aliases))
    for name, values in codes().items():
        assert f"\n### {name}\n" in text and all(w in text for ws in values.values() for w in ws)
    assert all(f"| `{name}` |" in text for name in rules())
    links = set(re.findall(r"\]\(#([\w-]+)\)", text))
    assert links <= set(re.findall(r"^#+ (.+)$", text, re.MULTILINE))


def test_every_row_of_a_table_has_its_cells() -> None:
    """A bar in a pattern or message must not part a cell in two."""
    for block in re.findall(r"(?:^\|.*\n)+", page(), re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(bars) == 1, block


def test_every_description_is_said_in_chinese() -> None:
    with CATALOGUE.open("rb") as text:
        have = {m.id for m in read_po(text, locale="zh_CN") if m.string}
    for contract in load_contracts().values():
        said = {contract.description, *(c.description for c in contract.columns)}
        assert said <= have, said - have


# What a city adds.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that the setting `contracts` names."""
    made = tmp_path / "contracts"
    made.mkdir()
    monkeypatch.setenv("EQM_CONTRACTS", str(made))
    for read in (load_contracts, codes):
        read.cache_clear()
    yield made
    monkeypatch.undo()
    for read in (load_contracts, codes):
        read.cache_clear()


def write_examples(folder: Path) -> None:
    """The files of the chapter on adding things, each named in its first line."""
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", HOW_TO_ADD.read_text("utf-8"), re.DOTALL)
    assert [name for name, _ in blocks] == ["aliases.yml", "bus.yml", "codes.yml", "clubs.yml"]
    for name, text in blocks:
        (folder / name).write_text(text, encoding="utf-8")


def test_the_chapter_on_adding_things_is_true(folder: Path) -> None:
    before = contract_files()
    assert all(path.is_relative_to(FOLDER) for path in before)
    write_examples(folder)
    students, clubs = load_contracts()["students"], load_contracts()["clubs"]
    assert (
        students.headers["学生代码"] == "student_no" and students.headers["学籍号"] == "student_no"
    )
    assert students.columns[-1].name == "bus_line" and students.landed["bus_line"] == "varchar"
    assert clubs.depends_on == ["schools"] and clubs.column("club_kind").code_set == "club_kind"
    assert codes()["subject"]["calligraphy"] == ["书法"]
    assert codes()["subject"]["mathematics"] == ["数学", "数学文化"], "templates keep their word"
    assert list(codes()["subject"])[:2] == ["chinese", "mathematics"]
    assert set(contract_files()) - set(before) == set(folder.iterdir())
    text = page()
    assert "## clubs" in text and "、学生代码" in text and "书法" in text


USED = """
import json
import duckdb
from pipelines.intake import freeze, ingest
from pipelines.settings import Settings
settings = Settings.load()
told = {r.feed: [p.text("en") for p in r.problems] for r in ingest(settings)}
standing = freeze(settings).path
with duckdb.connect() as con:
    for feed, columns in () if "clubs" not in told else (
        ("clubs", "club_code, school_code, club_kind, members"),
        ("students", "count(*), count(distinct student_key), max(bus_line)"),
    ):
        files = f"{standing / feed}/*/*.parquet"
        query = f"select {columns} from read_parquet('{files}', union_by_name = true)"
        told[f"{feed} that stand"] = con.execute(query).fetchall()
print(json.dumps(told))
"""


def test_what_a_city_adds_is_taken_in(changing_city: Settings, tmp_path: Path) -> None:
    """In a fresh process, as the command is: alias, column, code and feed, from file to standing.

    What was refused for want of an alias is read again once that is there.
    """
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    raw = changing_city.raw
    (raw / "students" / YEAR / "c.csv").write_text(
        "学生代码,学校标识码,年级,班级,校车线路\nG37040320120801001X,3137000002,7,1,3号线\n",
        encoding="utf-8",
    )
    env = {
        **os.environ,
        "EQM_CONTRACTS": str(contracts),
        "EQM_RAW": str(raw),
        "EQM_HOME": str(changing_city.home),
        "EQM_PSEUDONYM_KEY_FILE": str(changing_city.pseudonym_key_file),
        "PYTHONPATH": str(PROJECT),
    }

    def run() -> dict[str, Any]:
        command = [sys.executable, "-c", USED]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    assert "no column 学籍号" in "".join(run()["students"])
    write_examples(contracts)
    (raw / "clubs" / YEAR).mkdir(parents=True)
    (raw / "clubs" / YEAR / "c.csv").write_text(
        "社团编号,学校,社团类别,人数\n007,示范中学,体育类,24\n", encoding="utf-8"
    )
    told = run()
    assert told["clubs"] == told["students"] == []
    assert told["clubs that stand"] == [["007", "3137000001", "sports", 24]]
    assert told["students that stand"] == [[5, 5, "3号线"]]


CLUB = "feed: clubs\ntitle: t\ndescription: d\nkey: [a]\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yml", "extends: pupils\n", "extends pupils, which is no feed"),
        ("a.yml", "extends: students\naliases: {nummer: [x]}\n", "students has no column nummer"),
        ("a.yml", "extends: students\nalias: {}\n", "alias: Extra inputs"),
        ("a.yml", "extends: students\naliases: {class_no: [学号]}\n", "学号 means student_no and"),
        ("a.yml", "- 1\n", "expected names"),
        ("a.yml", "a: [\n", "a.yml"),
        ("students.yml", "feed: students\n", "there is a feed students; extend it instead"),
        ("club.yml", CLUB, "describes the feed clubs"),
        ("clubs.yml", f"{CLUB}columns: []\n", "key a is no column"),
        ("clubs.yml", CLUB, "columns: Field required"),
        ("codes.yml", "grade: {'13': [复读]}\n", "grade takes more words, but no more codes"),
        ("codes.yml", "subject: {maths: [数学]}\n", "subject: a word means two codes"),
    ],
)
def test_a_city_file_that_contradicts_is_named_with_the_reason(
    folder: Path, name: str, text: str, said: str
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=re.escape(said)) as caught:
        load_contracts()
        codes()
    assert name in str(caught.value)
    result = CliRunner().invoke(app, ["template", "schools"])
    assert result.exit_code == 2 and name in result.output


def test_a_folder_that_is_not_there_is_wrong_usage(folder: Path) -> None:
    folder.rmdir()
    result = CliRunner().invoke(app, ["check", ".", "--feed", "students"])
    assert result.exit_code == 2 and f"no folder {folder}" in result.output
