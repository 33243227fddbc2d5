"""A plan's targets as a file: which words it may use, and what is wrong with one that does not.

The rules of `dbt_project/models/marts/plan` read the file as a seed; what is checked here is what
they rely on, so that a slip is said with its line and column before anything is built.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

TARGETS = Path(__file__).resolve().parents[1] / "dbt_project" / "seeds" / "plan_targets.csv"
"""The targets of the plan that is built in."""
WORDS: dict[str, tuple[str, ...]] = {
    "is_default": ("true", "false"),
    "comparator": (">=", "=", "<="),
    "rule": (
        "count", "count_cycle", "coverage", "per_entity_minimum", "rate_threshold", "growth",
        "rank",
    ),
    "window_kind": (
        "cumulative", "standing", "school_year", "calendar_year", "cycle", "rolling",
    ),
    "entity_type": (
        "city", "district", "school", "unit", "class", "person", "community", "subject",
        "school_week", "finding",
    ),
    "population_code": (
        "city", "unit", "school", "school_of_year", "primary_school", "rural_school", "student",
        "class", "school_week", "residential_area", "district", "institution", "subject",
        "subject_taught", "subject_all", "teacher", "teacher_of_year", "principal", "researcher",
        "researcher_key_teacher", "duty_head", "duty_leader", "duty_official", "duty_visitor",
        "finding",
    ),
    "stream": (
        "register", "register_value", "register_week", "register_covering", "register_subject",
        "community_school", "standard_lesson_teacher", "standard_lesson_class", "inclass_school",
        "observed_lessons", "training_session", "training_completed", "post_role",
        "post_stem_master", "post_subject", "pairing", "wave_held", "wave_own", "visit", "finding",
        "trend", "benchmark", "exam_growth",
    ),
    "distinct_by": ("", "holder", "holder_subject", "holder_week"),
}  # fmt: skip
"""Column → the words that the rules know."""
LEVELS = ("city", "district", "school")
OF_REGISTER = ("register", "community_school")
"""How the names of streams begin that count entries of the register of programmes."""
WORKED_OUT = {"trend": "growth", "exam_growth": "growth", "benchmark": "rank"}
"""Streams of figures that others work out, and the one rule that compares each."""
MAY_BE_EMPTY = {
    "deadline", "window_months", "pace_end", "population_districts", "selector", "distinct_by",
}  # fmt: skip


class PlanError(ValueError):
    """A plan's file cannot be read; the text says where and why."""


def check(path: Path) -> None:
    """Raises PlanError with every line and column of the file that the rules could not read."""
    if not path.is_file():
        raise PlanError(f"no file {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlanError(f"{path} is not written in UTF-8") from error
    found = list(_problems(text))
    if found:
        raise PlanError(f"{path}: " + "; ".join(found))


def kinds(path: Path = TARGETS) -> dict[str, str]:
    """Kind of entry of the register of programmes that a target counts → the target's name."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["stream"].startswith(OF_REGISTER)]
    # The first target that counts a kind names it.
    return {row["selector"]: row["indicator_zh"] for row in reversed(rows) if row["selector"]}


def header(path: Path = TARGETS) -> list[str]:
    """The columns of a file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _problems(text: str) -> Iterator[str]:
    reader = csv.reader(text.splitlines())
    names = next(reader, [])
    missing = [name for name in header() if name not in names]
    if missing:
        yield f"lacks the columns {', '.join(missing)}"
        return
    defaults: dict[str, list[bool]] = defaultdict(list)
    lines: dict[tuple[str, str], int] = {}
    for cells in reader:
        line = reader.line_num
        if not any(cells):
            continue
        if len(cells) != len(names):
            yield f"line {line}: {len(cells)} cells where the header has {len(names)}"
            continue
        row = dict(zip(names, cells, strict=True))
        for column, wrong in _wrong(row):
            yield f"line {line}: {column}: {wrong}"
        key = (row["target_id"], row["reading"])
        if key in lines:
            yield f"line {line}: {' '.join(key)} stands on line {lines[key]} too"
        lines[key] = line
        defaults[row["target_id"]].append(row["is_default"] == "true")
    if not lines:
        yield "names no target"
    for target, marks in defaults.items():
        if sum(marks) != 1:
            yield f"{target}: {sum(marks)} of {len(marks)} readings are the default, where one is"


def _wrong(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Columns of a line with what is wrong there."""
    for name in header():
        if not row[name] and name not in MAY_BE_EMPTY:
            yield name, "nothing"
    for name, words in WORDS.items():
        if row[name] and row[name] not in words:
            yield name, f"{row[name]} is none of {', '.join(word for word in words if word)}"
    for name in ("threshold", "target_value"):
        try:
            good = not row[name] or Decimal(row[name]).is_finite()
        except InvalidOperation:
            good = False
        if not good:
            yield name, f"{row[name]} is no number"
    for name in ("measure", "window_months"):
        if row[name] and not (row[name].isascii() and row[name].isdigit() and int(row[name])):
            yield name, f"{row[name]} is no whole number from 1"
    for name in ("deadline", "window_start", "pace_end"):
        try:
            good = not row[name] or str(date.fromisoformat(row[name])) == row[name]
        except ValueError:
            good = False
        if not good:
            yield name, f"{row[name]} is no day as in 2027-03-11"
    for word in row["levels"].split():
        if word not in LEVELS:
            yield "levels", f"{word} is none of {', '.join(LEVELS)}"
    if row["window_kind"] in ("cycle", "rolling") and not row["window_months"]:
        yield "window_months", f"nothing, where a {row['window_kind']} window needs its length"
    rule, stream = row["rule"], row["stream"]
    if WORKED_OUT.get(stream, "") != (rule if rule in ("growth", "rank") else ""):
        yield "stream", f"{stream} is not what the rule {rule} compares"
    if row["comparator"] == "<=" and rule in ("coverage", "per_entity_minimum", "rate_threshold"):
        yield "comparator", f"<= is not what the rule {rule} asks of each"
