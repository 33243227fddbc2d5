"""What the tables and columns of a schema mean: as dbt describes them, and the metrics measure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.metrics.catalogue import load_metrics

_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    zh: str
    """Its Chinese name."""
    en: str
    """What it holds."""
    unit: str = ""
    """Of a metric: what it is measured in, as in `metrics.yml`."""
    low: str = ""
    high: str = ""
    n: str = ""
    """Columns of its 95 % interval, and of the number that it rests on."""


@dataclass(frozen=True)
class Table:
    """A table: what a row of it is, and its columns."""

    name: str
    zh: str
    en: str
    columns: tuple[Column, ...]


Dictionary = Mapping[str, Table]
"""Tables by name."""


def dictionary(manifest: Path, schema: str = "published") -> Dictionary:
    """The tables of a schema, in the order of their names.

    Args:
        manifest: dbt's `manifest.json`.
        schema: the schema.
    """
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    metrics = {(m.model, m.column): m for m in load_metrics().values() if not m.only}
    tables = {}
    for node in nodes:
        if node["resource_type"] != "model" or node["schema"] != schema:
            continue
        name = node["alias"]
        columns = []
        for column in node["columns"].values():
            zh, _, en = column["description"].strip().partition(" · ")
            metric = metrics.get((name, column["name"]))
            held = [metric.low, metric.high, metric.n] if metric else []
            ends = [end if end in node["columns"] else "" for end in held]
            unit = metric.unit if metric else ""
            kind = column.get("data_type") or ""
            columns.append(Column(column["name"], kind, zh, en, unit, *map(str, ends)))
        tables[name] = Table(name, *_told(node["description"]), tuple(columns))
    return dict(sorted(tables.items()))


def _told(description: str) -> tuple[str, str]:
    """Chinese name and English sentences of a table's description, which holds both."""
    sentences = description.strip().split(". ")
    zh = [sentence for sentence in sentences if _HAN.match(sentence)]
    en = [sentence for sentence in sentences if not _HAN.match(sentence)]
    return "".join(zh).removesuffix("."), ". ".join(en)
