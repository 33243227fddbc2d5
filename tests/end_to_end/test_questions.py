"""What a build asks between files and over time, and how it is answered: by the command alone."""

import shutil

import pytest

from pipelines.intake import read_sheets
from pipelines.intake.feedback import LIST_SHEET
from tests.end_to_end.conftest import House, house_in

YEAR = "2025-2026"
REASON = "流感停课，部分学生未参加"


@pytest.fixture(scope="module")
def house(village: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A village whose observer sits in two schools at once, and two files that differ on a key."""
    folder = tmp_path_factory.mktemp("questions")
    shutil.copytree(village.home.parent, folder, symlinks=True, dirs_exist_ok=True)
    house = house_in(folder)
    visits = sorted((house.raw / "official_visits" / YEAR).glob("*.csv"))[0]
    header, line, *_ = visits.read_text(encoding="utf-8-sig").splitlines()
    cells = line.split(",")
    topic = header.split(",").index("调研主题")
    cells[topic] = "另一主题"
    again = visits.with_name("补充.csv")
    again.write_text(f"{header}\n{','.join(cells)}\n", encoding="utf-8")
    cells[header.split(",").index("调研日期")] = "2019-03-05"
    visits.with_name("旧日期.csv").write_text(f"{header}\n{','.join(cells)}\n", encoding="utf-8")
    house.eqm("build")
    return house


def path_of(name: str) -> str:
    return f"official_visits/{YEAR}/{name}.csv"


def waiting(house: House) -> dict[str, str]:
    """File → id, of the files that wait for an explanation."""
    told = house.report("status")
    assert told["states"].get("awaiting_explanation", 0) == len(told["waiting"])
    return {row["source_file"]: row["submission_id"] for row in told["waiting"]}


def said_in_workbook(house: House, file_id: str) -> list[str]:
    """What stands in the last column of the list of the return workbook of a file."""
    (path,) = (house.home / "feedback").rglob(f"*.{file_id}.xlsx")
    (sheet,) = [s for s in read_sheets(path) if s.name == LIST_SHEET]
    rows = [[v or "" for v in row.values()] for row in sheet.cells.to_pylist()]
    return [row[-1] for row in rows[2:] if row[7]]


def problems(house: House, rule: str) -> list[tuple[str, bool]]:
    rows = house.rows(f"select file, open_query from ops.problem where rule = '{rule}'")
    return list(rows.itertuples(index=False, name=None))


def test_what_a_build_asks_is_listed_answered_and_told(house: House) -> None:
    files = waiting(house)
    assert files.keys() == {path_of("补充"), path_of("旧日期")}
    assert problems(house, "visit_outside_year") == [(path_of("旧日期"), True)]
    assert problems(house, "differs_between_files") == [(path_of("补充"), True)]
    served = house.current.name
    for name, rule in (("补充", "differs_between_files"), ("旧日期", "visit_outside_year")):
        file_id = files[path_of(name)]
        asked = house.eqm("explain", file_id)
        assert f"{rule}: 〔疑问〕" in asked and "待情况说明" in asked
        assert "2019-03-05" in asked or name == "补充"
        told = house.report("explain", file_id, "--reason", REASON, "--by", "王老师")
        assert [p["rule"] for p in told["asked"]] == [rule]
        assert (told["state"], told["open_queries"]) == ("published", 0)
        (said,) = said_in_workbook(house, file_id)
        assert "王老师" in said and said.endswith(REASON)
    house.eqm("build")
    assert house.current.name != served
    assert problems(house, "visit_outside_year") == [(path_of("旧日期"), False)]
    row = house.rows(
        "select state, queries, open_queries, explained_by from ops.submission "
        f"where source_file = '{path_of('旧日期')}' and stands"
    )
    assert row.to_numpy().tolist() == [["published", 1, 0, "王老师"]]
    assert waiting(house) == {}


def test_a_new_version_is_asked_again(house: House) -> None:
    path = house.raw / path_of("旧日期")
    good = path.read_bytes()
    path.write_bytes(good.replace(b"2019-03-05", b"2019-03-06"))
    house.eqm("build")
    assert waiting(house).keys() == {path_of("旧日期")}
    # The bytes of before were answered: with them back, a release that is used again asks its own.
    path.write_bytes(good)
    assert house.report("build")["reused"]
    assert waiting(house) == {}
