"""What is written from the metrics: dbt's descriptions and the page of the metrics.

`python -m pipelines.metrics.pages` writes both (`make docs`); a test holds them equal.
"""

from collections.abc import Mapping
from pathlib import Path

from pipelines.metrics.catalogue import Metric, load_metrics, load_models
from pipelines.settings import PROJECT

HOW_TO_ADD = Path(__file__).with_name("adding.md")
"""The chapter that is written by hand; a test follows it."""

INTRODUCTION = """\
# The metrics

Every published figure as `pipelines/metrics/metrics.yml` defines it. This page is generated
(`make docs`); edit the YAML, not the page. `eqm metric NAME` answers from the release that is
served; rates lie between 0 and 1 there.
"""


def files(metrics: Mapping[str, Metric] | None = None) -> dict[Path, str]:
    """Path in the project → content of what is written from the metrics."""
    metrics = metrics or load_metrics()
    return {
        Path("dbt_project/models/metrics.md"): _blocks(metrics),
        Path("docs/metrics.md"): _page(metrics),
    }


def _blocks(metrics: Mapping[str, Metric]) -> str:
    """dbt's documentation blocks: a column says `{{ doc('pass_rate') }}`."""
    blocks = [
        f"{{% docs {metric.name} %}}\n{metric.description}\n{{% enddocs %}}\n"
        for metric in metrics.values()
    ]
    note = "{#- Written by `python -m pipelines.metrics.pages`; not to be edited. -#}\n"
    return "\n".join([note, *blocks])


def _page(metrics: Mapping[str, Metric]) -> str:
    parts = [INTRODUCTION]
    for model in load_models().values():
        grain = ", ".join(f"`{column}`" for column in model.grain)
        told = f"One row per {grain}."
        if model.groups:
            told += f" Groups: {', '.join(f'`{group}`' for group in model.groups)}."
        if "city" not in model.levels:
            told += f" Levels: {', '.join(f'`{level}`' for level in model.levels)}."
        parts.append(f"## `marts.{model.name}`\n\n{told}\n")
        rows = [
            f"| `{metric.name}` | {metric.zh} | {metric.en} | {metric.formula} | {metric.unit} "
            f"| {metric.better} | {_columns(metric)} | {metric.source} |"
            for metric in metrics.values()
            if metric.model == model.name
        ]
        head = "| metric | 名称 | name | formula | unit | better | columns | source |"
        parts.append("\n".join([head, "| --- " * 8 + "|", *rows]) + "\n")
    return "\n".join([*parts, HOW_TO_ADD.read_text(encoding="utf-8")])


def _columns(metric: Metric) -> str:
    rows = "".join(f"; {column} = `{value}`" for column, value in metric.only.items())
    return ", ".join(f"`{column}`" for column in metric.columns) + rows


if __name__ == "__main__":
    for path, text in files().items():
        (PROJECT / path).write_text(text, encoding="utf-8")
