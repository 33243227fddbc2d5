"""Which parts of a table a change concerns, so that the others stay as the last build made them.

The parts are grades of waves. A model that declares `parts` (its columns that tell the part of a
row: wave and grade, the wave alone, or the paper) says that its rows of a part are a function of
the rows of that part in those of its inputs which declare parts too, and of its other inputs as a
whole. Where only inputs of the first kind have changed, and of them only some parts, the model's
rows of these are replaced. Of a feed it is looked up in its rows which parts have changed, however
they came; a change of anything else makes a table anew as a whole.

A model whose rows rest on those of earlier waves, too, names in `parts_through` the model that
lists, of each wave, those that rest on it. One that declares `parts_alone` rests on nothing of its
inputs but which parts they have.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from pipelines.feeds import load_contracts
from pipelines.feeds.contract import quoted
from pipelines.feeds.staging import columns_of

CONCERNED = "EQM_PARTS"
"""The variable of the environment that tells dbt what is replaced."""
MOST = 50
"""Of more parts a table is made anew as a whole."""
WAVE, GRADE, PAPER = "wave_id", "wave_id, grade", "paper_no"
"""The columns by which a model may have parts."""

Part = tuple[str, int | None]
"""A wave and one of its grades, or all of them."""
Rows = dict[str, str]
"""Part, as JSON → digest of a feed's rows of that part; equal only for equal rows."""


def of_feed(standing: Path, feed: str, by: str) -> Rows:
    """The parts of a feed's rows that stand, with a digest of what the models read of them.

    Args:
        standing: `<feed>/<school year>/*.parquet`.
        feed: one whose rows have parts.
        by: their columns.
    """
    columns = ", ".join(columns_of(load_contracts()[feed]))
    files = quoted(f"{standing}/{feed}/*/*.parquet")
    grade = "grade" if by == GRADE else "null"
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        found = con.execute(
            f"""
            select wave_id, {grade}, count(*),
                sum(hash({columns})), sum(hash({columns}, 'again'))
            from read_parquet({files}, union_by_name = true, hive_partitioning = false)
            group by all order by all
            """
        ).fetchall()
    return {json.dumps([wave, of]): "-".join(map(str, told)) for wave, of, *told in found}


def declared(node: Mapping[str, Any]) -> str | None:
    """The columns by which a model or source of dbt's manifest has parts; none where it has not."""
    told: str | None = _meta(node).get("parts")
    return told


def alone(node: Mapping[str, Any]) -> bool:
    """Whether a model rests on nothing of its inputs but which parts they have."""
    return bool(_meta(node).get("parts_alone"))


def changed(before: Rows, now: Rows) -> set[Part]:
    """The parts that are new, gone, or of other rows than before."""
    return {_part(key) for key in before.keys() | now.keys() if before.get(key) != now.get(key)}


def concerned(
    node: Mapping[str, Any], inputs: Iterable[set[Part] | None], database: Path
) -> set[Part] | None:
    """The parts of a model that changes of its inputs concern; none where it is the whole.

    Args:
        node: the model.
        inputs: what has changed of each; none where it is the whole.
        database: where the tables of the last build are; those that the model names still hold.
    """
    known = list(inputs)
    if declared(node) is None or None in known:
        return None
    parts: set[Part] = set().union(*(one for one in known if one))
    if through := _meta(node).get("parts_through"):
        waves = ", ".join(quoted(wave) for wave in sorted({wave for wave, _ in parts}))
        query = f"select following_wave_id from intermediate.{through} where wave_id in ({waves})"
        parts |= {(wave, None) for (wave,) in _ask(database, query)}
    if declared(node) == WAVE:
        parts = {(wave, None) for wave, _ in parts}
    return parts if 0 < len(parts) <= MOST else None


def told(replaced: Mapping[str, set[Part]], database: Path) -> str:
    """What dbt is told, as JSON: the sets of parts that are replaced, and which a model's is.

    Args:
        replaced: model, by dbt's name → the parts.
        database: where the tables of the last build are.
    """
    sets = sorted({tuple(sorted(own, key=str)) for own in replaced.values()}, key=str)
    place = {frozenset(one): number for number, one in enumerate(sets)}
    return json.dumps(
        {
            "sets": [_conditions(one, database) for one in sets],
            "of": {model: place[frozenset(own)] for model, own in replaced.items()},
        }
    )


def _conditions(parts: Collection[Part], database: Path) -> dict[str, str]:
    """Kind of parts → the condition, in SQL, that a row is of one of these."""
    waves = {wave for wave, grade in parts if grade is None}
    grades = sorted((wave, grade) for wave, grade in parts if grade and wave not in waves)
    told = [f"wave_id = {quoted(wave)}" for wave in sorted(waves)]
    told += [f"(wave_id = {quoted(wave)} and grade = {grade})" for wave, grade in grades]
    of_grade = f"({' or '.join(told)})"
    every = ", ".join(quoted(wave) for wave in sorted({wave for wave, _ in parts}))
    papers = _ask(database, f"select paper_no from intermediate.int_papers where {of_grade}")
    numbers = ", ".join(str(number) for (number,) in sorted(papers))
    return {
        WAVE: f"wave_id in ({every})",
        GRADE: of_grade,
        PAPER: f"paper_no in ({numbers})" if numbers else "false",
    }


def waves(rows: Rows) -> list[str]:
    """The waves that a feed's rows are of, in order."""
    return sorted({wave for wave, _ in map(_part, rows)})


def _part(key: str) -> Part:
    wave, grade = json.loads(key)
    return wave, grade


def _meta(node: Mapping[str, Any]) -> dict[str, Any]:
    return {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}


def _ask(database: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as con:
        return con.execute(query).fetchall()
