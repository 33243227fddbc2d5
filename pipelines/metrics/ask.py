"""A question to the warehouse: one metric, by what, for which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.metrics.catalogue import ENTRIES, Metric, Model, load_metrics, load_models


class BadQuestion(ValueError):
    """What was asked does not exist; the text says what does."""


@dataclass(frozen=True)
class Answer:
    """The rows of an answer, and what they are."""

    metric: Metric
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def ask(
    warehouse: Path,
    name: str,
    by: Sequence[str] = (),
    where: str = "",
    published: bool = False,
    entries: Path = ENTRIES,
) -> Answer:
    """The rows of a metric as the warehouse holds them; nothing is worked out anew.

    A rate of a district is no mean of its schools' rates, so what is asked `by` chooses among the
    rows that the model made: a level (the model's first unless named: the city where it has it), a
    group (the whole unless named). What else the rows are told apart by is shown beside the figure.

    Args:
        warehouse: a release's `warehouse.duckdb`.
        name: of the metric.
        by: levels (`district`), groups (`gender`) and columns of the grain (`subject`), which come
            first.
        where: condition in SQL on the columns of the model, and on `unit_name`.
        published: as pages show it, withheld and rounded, with its mark; else exact.
        entries: the metrics' file.

    Raises:
        BadQuestion: no such metric, dimension or column, or the condition is no SQL.
    """
    metrics = load_metrics(entries)
    if name not in metrics:
        raise BadQuestion(f"no metric {name}; the metrics are: {', '.join(metrics)}")
    metric = metrics[name]
    model = load_models(entries)[metric.model]
    grain = model.grain
    level, group, first = _chosen(by, model)
    hidden = {"group_kind", *metric.only} | ({"level"} if model.has_units else set())
    shown = [column for column in (*first, *grain) if column not in hidden]
    if group == "all" and "group_value" in shown:
        shown.remove("group_value")
    with duckdb.connect(str(warehouse), read_only=True) as con:
        # A condition may look at rows, not at files.
        con.execute("set enable_external_access = false")
        schema = "published" if published else "marts"
        known = con.execute(
            "select column_name from duckdb_columns() where schema_name = ? and table_name = ?",
            [schema, metric.model],
        ).fetchall()
        held = {column for (column,) in known}
        if metric.column not in held:
            raise BadQuestion(f"{schema}.{metric.model} of this release has no {metric.column}")
        figures = [column for column in metric.columns if column in held]
        band = metric.column.removesuffix("rate") + "band"
        marks = [column for column in (band, "mark") if column in held]
        named = [c for key in shown for c in ([key, "unit_name"] if key == "unit_code" else [key])]
        columns = list(dict.fromkeys([*named, *figures, *marks]))
        chosen = [f"{column} = '{value}'" for column, value in metric.only.items()]
        if model.has_units:
            chosen.append(f"level = '{level}'")
        if "group_kind" in grain:
            chosen.append(f"group_kind = '{group}'")
        # The condition ends on its own line, whatever it says.
        chosen.append(f"({where or 'true'}\n)")
        units = f"left join (from {schema}.unit select level, unit_code, unit_name)"
        query = f"""
            select {", ".join(columns)}
            from {schema}.{metric.model}
            {f"{units} using (level, unit_code)" if model.has_units else ""}
            where {" and ".join(chosen)}
            order by {", ".join(dict.fromkeys(shown))}
        """
        try:
            rows = con.execute(query).fetchall()
        except duckdb.Error as error:
            raise BadQuestion(f"{error}\nThe columns are: {', '.join(sorted(held))}") from error
    return Answer(metric, tuple(columns), rows)


def _chosen(by: Sequence[str], model: Model) -> tuple[str, str, list[str]]:
    """The level, the group, and the columns to begin with."""
    grain, groups = model.grain, model.groups
    levels: tuple[str, ...] = model.levels if model.has_units else ()
    level, group, first = str(model.levels[0]), "all", list[str]()
    for word in by:
        if word in levels:
            level = word
        elif word in groups:
            group = word
        elif word in grain:
            first.append(word)
        else:
            known = [*levels, *groups, *(c for c in grain if c not in ("level", "group_kind"))]
            raise BadQuestion(f"nothing to ask by: {word}; there are: {', '.join(known)}")
    if levels and level != "city":
        first.insert(0, "unit_code")
    if group != "all":
        first.append("group_value")
    return level, group, first
