"""The measurements of `bench/results` as a page: `python -m bench.page > docs/performance.md`."""

import ast
import json
from pathlib import Path
from typing import Any

from bench.measure import RESULTS

AIMS = {
    ("intake", "eqm, workbook 50,000 × 15"): "at most 0.20 of pandas with openpyxl",
    ("intake", "eqm, CSV"): "at most 4 times DuckDB; under 2,000 MB",
    ("fuzz", "damaged files"): "none unforeseen",
    ("year", "ingest, all new"): "under 900 s",
    ("year", "ingest, one file changed"): "under 30 s",
    ("attainment", "marts.attainment"): "at most 12 scans; under 6,000 MB",
    ("attainment", "the same in pandas, by our plan"): "at least 20 times ours",
    ("build", "build, from landing"): "under 300 s; under 4,000 MB",
    ("build", "build, one file changed"): "at most 0.33 of the first",
    ("evaluation", "two-level REML"): "at most 6 grouped sums",
    ("evaluation", "lmer, two levels"): "at least 150 times ours",
    ("evaluation", "lmer, three levels"): "at least 100 times ours",
    ("evaluation", "two-level REML, ten times as many"): "at most 11 times once; under 2,000 MB",
    ("evaluation", "search alone, many schools"): "under 2 s",
    ("growth", "quantreg pfn"): "more than ours",
    ("growth", "quantreg br"): "at least 30 times ours",
    ("growth", "all grades in two processes"): "under 60 s",
    ("equity", "all figures"): "under 20 s",
    ("gate", "Dash, layout made once"): "at least 20 times ours",
    ("gate", "Dash, layout made at each request"): "at least 20 times ours",
    ("gate", "gate, p99 at half of that rate"): "under 0.05 s",
    ("gate", "gate, 100 switches under load"): "none failed, none mixed",
    ("gate", "gate, 1,000 wrong ones a minute"): "at most 1.10 times without",
    ("pages", "pages, two processes"): "under 300 s; under 2,000 MB",
    ("pages", "pages, one school changed"): "at most 0.33 of the first",
    ("first_chart", "pass-rates.html, first chart"): "under 2 s",
    ("estimates", "everything"): "under 180 s; under 4,000 MB",
}
"""What was aimed at, by measurement and step: on 2 cores."""


def page() -> str:
    """All kept measurements, in Markdown, one section each."""
    parts = [
        "# Performance\n",
        "Written by `python -m bench.page` from what the commands below kept in `bench/results`; "
        "not to be edited. Seconds are those of one machine on one day, and of whatever else it "
        "did; the ratios, of steps that ran one after another, say more. Each step is set against "
        "the first of its group, the row without a ratio above it.\n",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        parts.append(_section(path.stem, json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def _section(name: str, kept: dict[str, Any]) -> str:
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    about = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].replace("\n", " ")
    size = dict(kept["size"])
    slowest = size.pop("slowest_models", [])
    told = ", ".join(f"{key.replace('_', ' ')} {_number(value)}" for key, value in size.items())
    machine = kept["machine"]
    lines = [
        f"## {name}\n",
        f"{about}\n",
        f"Size: {told}. Machine: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']:g} GiB; load before {machine['load_before']:g}. "
        f"DuckDB {kept['versions']['duckdb']}, pandas {kept['versions']['pandas']}.\n",
        "| step | rows | seconds | rows/s | peak MB | × first | aim |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for step in kept["steps"]:
        ratio = step.get("ratio", step.get("ratio_to_scan"))
        lines.append(
            f"| {step['step']} | {step['rows']:,} | {step['seconds']:,.2f} | "
            f"{step['rows_per_second']:,.0f} | {step['peak_rss_mb']:,.0f} | "
            f"{'' if ratio is None else f'{ratio:.2f}'} | {AIMS.get((name, step['step']), '')} |"
        )
    if slowest:
        lines += ["", "| slowest models | seconds | share |", "|---|--:|--:|"]
        lines += [f"| {m['model']} | {m['seconds']:.2f} | {m['share']:.1%} |" for m in slowest]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(_number, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    print(page(), end="")
