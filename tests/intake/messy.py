"""Holds what a messy city landed against what the same city, clean, landed, and the manifest."""

import json
from pathlib import Path
from typing import Any

import duckdb

from pipelines.feeds import load_contracts
from pipelines.feeds.contract import ORIGIN, quoted
from pipelines.intake import Ledger, freeze
from pipelines.settings import Settings


def manifest(raw: Path) -> dict[str, Any]:
    """What was done to the files of a messy city."""
    text = raw.with_name(f"{raw.name}.truth").joinpath("messes.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def differences(clean: Settings, messy: Settings) -> list[str]:
    """Rows that stand in one of two homes and not in the other, but for what the manifest refuses.

    One line a feed and kind of difference, with an example; also files that were refused, or not,
    against the manifest, and rows that are not accounted for.
    """
    wrong: list[str] = []
    told = manifest(messy.raw)
    refused_clean = {f["clean"] for f in told["files"] if f["refused"]}
    refused = {p: f["refused"] for f in told["files"] if f["refused"] for p in f["handed"]}
    state = {s["source_file"]: s for s in Ledger(messy).submissions()}
    for path, one in state.items():
        errors = [p["rule"] for p in one["problems"] if _is_error(p["rule"])]
        if path in refused:
            if refused[path] not in errors:
                wrong.append(f"{path}: expected {refused[path]}, found {errors or 'nothing'}")
        elif errors:
            why = next(p for p in one["problems"] if _is_error(p["rule"]))
            wrong.append(f"{path}: refused: {why} {_messes(told, path)}")
    first, second = freeze(clean).path, freeze(messy).path
    for feed, contract in load_contracts().items():
        names = [n for n in contract.landed if n not in ORIGIN or n == "school_year"]
        own = ", ".join(f'"{n}"' for n in names)
        lost = ", ".join(map(quoted, refused_clean)) or "''"
        with duckdb.connect() as con:
            files = [quoted(f"{at}/{feed}/*/*.parquet") for at in (first, second)]
            read = [f"read_parquet({f}, union_by_name = true)" for f in files]
            con.execute(
                f"create table a as select {own} from {read[0]} where source_file not in ({lost})"
            )
            con.execute(f"create table b as select {own}, source_file, source_row from {read[1]}")
            missing = con.execute(f"from a except all select {own} from b").fetchall()
            more = con.execute(f"select {own} from b except all from a").fetchall()
            if missing:
                wrong.append(f"{feed}: {len(missing)} rows are missing, such as {missing[0]}")
            if more:
                keys = " and ".join(f'"{n}" is not distinct from ?' for n in names)
                where = con.execute(
                    f"select source_file, source_row from b where {keys} limit 1", list(more[0])
                ).fetchall()[0]
                wrong.append(
                    f"{feed}: {len(more)} rows are new, such as {more[0]} from {where} "
                    f"{_messes(told, where[0])}"
                )
    return wrong


def _is_error(rule: str) -> bool:
    from pipelines.feeds import rules

    return rules()[rule].severity == "error"


def _messes(told: dict[str, Any], path: str) -> list[str]:
    return [m["mess"] for m in told["messes"] if m["file"] == path]
