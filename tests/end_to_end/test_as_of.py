"""A moment of the past, built again: the figures of then, beside the release that is served."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd

from tests.end_to_end.conftest import House, house_in

MARTS = ("marts.attainment", "marts.pass_rate_trend", "marts.reporting")


def tables(warehouse: Path) -> dict[str, pd.DataFrame]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return {name: con.sql(f"from {name}").df() for name in MARTS}


def test_a_later_correction_does_not_show_in_an_earlier_moment(
    village: House, tmp_path: Path
) -> None:
    shutil.copytree(village.home.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    house = house_in(tmp_path)
    first, moment = tables(house.current / "warehouse.duckdb"), datetime.now(UTC).isoformat()
    time.sleep(0.01)
    results = sorted((house.raw / "monitoring_results").rglob("*.csv"))[0]
    lines = results.read_text(encoding="utf-8-sig").splitlines()
    results.write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8-sig")
    results.with_name("late.csv").write_text("no table", encoding="utf-8")
    house.eqm("build", code=1)
    served = house.current
    assert not tables(served / "warehouse.duckdb")["marts.attainment"].equals(
        first["marts.attainment"]
    )
    raw = sorted(p.stat().st_mtime_ns for p in (house.home / "landing").rglob("*"))
    told = [house.report("build", "--as-of", moment) for _ in range(2)]
    assert told[0]["release_id"] == told[1]["release_id"] != served.name
    assert [t["reused"] for t in told] == [False, True] and told[0]["problems"] == []
    past = tables(Path(told[0]["warehouse"]))
    for name in MARTS:
        pd.testing.assert_frame_equal(past[name], first[name], check_exact=True)
    # Nothing was taken in, and what is served stays.
    assert house.current == served
    assert sorted(p.stat().st_mtime_ns for p in (house.home / "landing").rglob("*")) == raw
    listed = {r["release_id"]: r for r in house.report("releases", "list")}
    assert listed[told[0]["release_id"]]["as_of"] and not listed[served.name]["as_of"]
    with duckdb.connect(told[0]["warehouse"], read_only=True) as con:
        (row,) = con.execute("select as_of from ops.release").fetchall()
        files = con.execute("select source_file, state from ops.submission").fetchall()
    assert row[0] == datetime.fromisoformat(moment).replace(tzinfo=None)
    assert {state for _, state in files} == {"published"}
    assert not [name for name, _ in files if name.endswith("late.csv")]
    assert house.report("build", code=1)["reused"]
