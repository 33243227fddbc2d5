"""Messes that make a file wrong: it is refused, for the rule that each names, at a known cell."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pandas as pd

from pipelines.feeds import Contract, codes, load_contracts
from pipelines.sample.books import ERRORS, Formula, encrypted_workbook
from pipelines.sample.draft import (
    BOOKS,
    EXCEL,
    EXTRA,
    ISO_DAY,
    PLAIN_NUMBER,
    TEXTS,
    TOTAL,
    Draft,
    Table,
    code_of,
)
from pipelines.sample.harmless import (
    CLASSED,
    NUMBERED,
    RESOLVED,
    add_total,
    drop,
    insert_copy,
    only_wave,
    total,
)
from pipelines.sample.registry import (
    FILE,
    HEADS,
    ITEMS,
    RESULTS,
    SHEETS,
    WRONG,
    having,
    mess,
    with_type,
)
from pipelines.sample.surroundings import add_column

ABOVE_ALL = 151
"""Above the full mark of every paper."""
NO_SCHOOL, NO_STAFF, NO_ITEM = "3137999999", "T9999999", "99"
STAFF_COLUMNS = {"staff_code", "observer_code", "teacher_code", "official_code"}


def _set(draft: Draft, column: str, row: int, value: Any, table: Table | None = None) -> None:
    """Put a value into a cell, sums following, and note where."""
    table = table or draft.table
    table.frame.at[row, column] = value
    if column in draft.scores(table):
        total(draft, table)
    draft.mark(row, column)


def _score_cell(draft: Draft) -> tuple[str, int] | None:
    """A cell of the first table that holds a score."""
    columns = draft.scores(draft.table)
    if not columns:
        return None
    column = columns[int(draft.rng.integers(len(columns)))]
    row = draft.pick(draft.table.frame[column].map(lambda c: bool(PLAIN_NUMBER.fullmatch(str(c)))))
    return None if row is None else (column, row)


def _any_cell(draft: Draft, columns: list[str]) -> tuple[str, int] | None:
    """A filled cell in the first of the columns that has one."""
    for column in columns:
        if column in draft.table.frame:
            row = draft.pick(draft.table.frame[column] != "")
            if row is not None:
                return column, row
    return None


def _spoil(draft: Draft, place: tuple[str, int] | None, value: object) -> bool:
    if place is None:
        return False
    _set(draft, *place, value)
    return True


# Cells ------------------------------------------------------------------------------------------


@mess("number_in_powers", "student numbers as 3.70E+17", WRONG, slot="number", feeds=NUMBERED,
      rule="truncated_number", refused=True)  # fmt: skip
def _powers(draft: Draft) -> bool:
    rows = draft.table.frame.index[:3]
    for row in rows:
        _set(draft, "student_no", int(row), "3.70E+17")
    return len(rows) > 0


@mess("number_as_number", "student numbers stored as numbers, digits lost", WRONG, slot="number",
      feeds=NUMBERED, formats=BOOKS, rule="truncated_number", refused=True)  # fmt: skip
def _as_number(draft: Draft) -> bool:
    row = draft.pick()
    return row is not None and _spoil(draft, ("student_no", row), 370490201501011e3)


@mess("number_with_zeros", "a student number that ends in 000 where digits were lost", WRONG,
      slot="number", feeds=NUMBERED, rule="truncated_number", refused=True)  # fmt: skip
def _zeros(draft: Draft) -> bool:
    row = draft.pick()
    return row is not None and _spoil(draft, ("student_no", row), "370490201501011000")


@mess("number_in_class", "a student number in the column of classes", WRONG, slot="class",
      feeds=NUMBERED & having("class_no"), rule="misplaced_number", refused=True)  # fmt: skip
def _number_in_class(draft: Draft) -> bool:
    row = draft.pick()
    if row is None:
        return False
    return _spoil(draft, ("class_no", row), draft.table.frame.at[row, "student_no"])


@mess("unknown_status", "病假 in the place of a score", WRONG, feeds=RESULTS, rule="bad_score",
      refused=True)  # fmt: skip
def _unknown_status(draft: Draft) -> bool:
    return _spoil(draft, _score_cell(draft), "病假")


@mess("score_above_full_mark", "a score above the full mark", WRONG, feeds=RESULTS | ITEMS,
      rule="above_full_mark", refused=True)  # fmt: skip
def _above_full(draft: Draft) -> bool:
    return _spoil(draft, _score_cell(draft), str(ABOVE_ALL + int(draft.rng.integers(40))))


@mess("score_below_zero", "a score below zero", WRONG, feeds=RESULTS | ITEMS, rule="below_min",
      refused=True)  # fmt: skip
def _below_zero(draft: Draft) -> bool:
    return _spoil(draft, _score_cell(draft), "-5")


@mess("score_missing", "neither score nor status", WRONG, feeds=RESULTS, rule="score_missing",
      refused=True)  # fmt: skip
def _missing_score(draft: Draft) -> bool:
    return _spoil(draft, _score_cell(draft), "")


@mess("score_beside_status", "a score beside 缺考", WRONG, slot="status", feeds=RESULTS,
      rule="score_without_presence", refused=True)  # fmt: skip
def _beside_status(draft: Draft) -> bool:
    if not (draft.has("status") and draft.has("score")):
        return False
    place = _score_cell(draft)
    if place is None:
        return False
    draft.table.frame.at[place[1], "status"] = "缺考"
    draft.mark(place[1], "score")
    return True


@mess("wrong_total", "a total that is not the sum", WRONG, feeds=RESULTS, slot="total_cells",
      rule="wrong_total", refused=True)  # fmt: skip
def _wrong_total(draft: Draft) -> bool:
    if not add_total(draft):
        return False
    row = draft.pick(draft.table.frame[TOTAL] != "")
    if row is None:
        return False
    wrong = float(str(draft.table.frame.at[row, TOTAL])) + 9
    return _spoil(draft, (TOTAL, row), f"{wrong:g}")


@mess("bad_date", "3月下旬 in the place of a day", WRONG, feeds=with_type("date"), rule="bad_date",
      refused=True)  # fmt: skip
def _bad_date(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, draft.of_type("date")), "3月下旬")


@mess("bad_grade", "学前 in the place of a grade", WRONG, feeds=having("grade"), rule="bad_grade",
      slot="class", refused=True)  # fmt: skip
def _bad_grade(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, ["grade"]), "学前")


@mess("bad_code", "混合 where one of some words is expected", WRONG, feeds=with_type("code"),
      rule="bad_code", refused=True)  # fmt: skip
def _bad_code(draft: Draft) -> bool:
    names = [name for name in draft.of_type("code") if name != "status"]
    return _spoil(draft, _any_cell(draft, names), "混合")


@mess("bad_flag", "不详 where yes or no is expected", WRONG, feeds=with_type("flag"),
      rule="bad_flag", refused=True)  # fmt: skip
def _bad_flag(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, draft.of_type("flag")), "不详")


@mess("bad_integer", "约30 in the place of a whole number", WRONG, feeds=with_type("integer"),
      rule="bad_integer", refused=True)  # fmt: skip
def _bad_integer(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, draft.of_type("integer")), "约30")


@mess("bad_number", "约8 in the place of a number", WRONG, feeds=with_type("number"),
      rule="bad_number", refused=True)  # fmt: skip
def _bad_number(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, draft.of_type("number")), "约8")


def _limited(contract: Contract, which: str) -> list[str]:
    return [
        c.name
        for c in contract.columns
        if c.type in ("integer", "number") and getattr(c, which) is not None
    ]


LOW = frozenset(feed for feed, c in load_contracts().items() if _limited(c, "min"))
HIGH = frozenset(feed for feed, c in load_contracts().items() if _limited(c, "max"))


@mess("below_minimum", "a number below what can be", WRONG, feeds=LOW, rule="below_min",
      refused=True)  # fmt: skip
def _below(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, _limited(draft.contract, "min")), "-3")


@mess("above_maximum", "a number above what can be", WRONG, feeds=HIGH, rule="above_max",
      refused=True)  # fmt: skip
def _above(draft: Draft) -> bool:
    place = _any_cell(draft, _limited(draft.contract, "max"))
    if place is None:
        return False
    most = draft.contract.column(place[0]).max or 0
    return _spoil(draft, place, f"{most + 30:g}")


@mess("required_cell_empty", "an empty cell that has to be filled", WRONG, rule="required",
      refused=True)  # fmt: skip
def _required(draft: Draft) -> bool:
    names = [
        c.name
        for c in draft.contract.columns
        if c.required and c.name in draft.table.frame and c.name not in ("score", "wave_id")
    ]
    if not names:
        return False
    name = names[int(draft.rng.integers(len(names)))]
    return _spoil(draft, _any_cell(draft, [name]), "")


def _important(draft: Draft) -> list[str]:
    """Columns in which damage is sure to be noticed, those with scores first."""
    required = [c.name for c in draft.contract.columns if c.required and c.type != "text"]
    return [*draft.scores(draft.table), *required, *draft.contract.key]


@mess("damaged_cell", "#REF! where a value was", WRONG, rule="damaged_cell", refused=True)
def _damaged(draft: Draft) -> bool:
    word = ERRORS[int(draft.rng.integers(len(ERRORS)))]
    return _spoil(draft, _any_cell(draft, _important(draft)), word)


@mess("damaged_formula", "a formula that ended in an error", WRONG, rule="damaged_cell",
      formats=EXCEL, refused=True)  # fmt: skip
def _damaged_formula(draft: Draft) -> bool:
    cell = Formula("=#REF!", "#REF!")
    return _spoil(draft, _any_cell(draft, _important(draft)), cell)


@mess("formula_without_value", "a formula whose result was not saved", WRONG, formats=EXCEL,
      rule="formula_without_value", refused=True)  # fmt: skip
def _no_value(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, _important(draft)), Formula("=1+1", ""))


@mess("class_turned_into_date", "7-3 became a date in the column of classes", WRONG, slot="class",
      feeds=having("class_no"), formats=EXCEL | {"ods"}, rule="turned_into_date",
      refused=True)  # fmt: skip
def _turned(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, ["class_no"]), date(2024, 7, 3))


# Rows -------------------------------------------------------------------------------------------


@mess("grade_beside_class", "the class names another grade than the grade's column", WRONG,
      slot="class", feeds=CLASSED, rule="grade_beside_class", refused=True)  # fmt: skip
def _grade_beside_class(draft: Draft) -> bool:
    if not (draft.has("grade") and draft.has("class_no")):
        return False
    row = draft.pick()
    if row is None:
        return False
    code = code_of("grade", str(draft.table.frame.at[row, "grade"]))
    other = codes()["grade"][str(int(code or 1) % 9 + 1)][0]
    return _spoil(draft, ("class_no", row), f"{other}(3)班")


@mess("ends_before_it_starts", "a day that lies before the one it follows", WRONG, slot="dates",
      feeds=frozenset({"training_logs", "supervision_findings", "staff", "schools"}),
      rule="dates_out_of_order", refused=True)  # fmt: skip
def _ends_before(draft: Draft) -> bool:
    pairs = [("started_on", "ended_on"), ("found_on", "due_on"), ("started_on", "left_on"),
             ("opened_on", "closed_on")]  # fmt: skip
    for first, second in pairs:
        if not (draft.has(first) and draft.has(second)):
            continue
        row = draft.pick(draft.table.frame[first].map(lambda c: bool(ISO_DAY.fullmatch(str(c)))))
        if row is not None:
            day = date.fromisoformat(str(draft.table.frame.at[row, first]))
            return _spoil(draft, (second, row), str(day - timedelta(days=3)))
    return False


@mess("more_passed_than_tested", "more students passed than were tested", WRONG,
      feeds=having("inclass_passed"), rule="more_than", refused=True)  # fmt: skip
def _more_passed(draft: Draft) -> bool:
    place = _any_cell(draft, ["inclass_passed"])
    if place is None or not draft.has("inclass_tested"):
        return False
    tested = int(str(draft.table.frame.at[place[1], "inclass_tested"]))
    return _spoil(draft, place, str(tested + 2))


@mess("pass_mark_above_full_mark", "a pass mark above the full mark", WRONG,
      feeds=frozenset({"monitoring_waves"}), rule="above_full_mark", refused=True)  # fmt: skip
def _pass_above_full(draft: Draft) -> bool:
    place = _any_cell(draft, ["pass_mark"])
    if place is None:
        return False
    full = float(str(draft.table.frame.at[place[1], "full_mark"]))
    return _spoil(draft, place, f"{full + 10:g}")


def _flipped(cell: str) -> str:
    truth = code_of("yes_no", cell)
    return codes()["yes_no"]["false" if truth == "true" else "true"][0]


def _other_value(draft: Draft, name: str, cell: str) -> str:
    """Another value that the column allows."""
    column = draft.column(name)
    if column is None or column.type in ("score", "integer", "number"):
        value = float(cell)
        return f"{value - 1:g}" if value >= 1 else f"{value + 1:g}"
    if column.type == "flag":
        return _flipped(cell)
    if column.type == "code":
        words = codes()[str(column.codes)]
        own = code_of(str(column.codes), cell)
        return next(ws[0] for code, ws in words.items() if code != own)
    return f"{cell}（更正）"


DIFFERING = {
    "districts": ["district_kind"],
    "schools": ["ownership"],
    "staff": ["key_teacher"],
    "students": ["boarding"],
    "monitoring_waves": ["wave_name"],
    "item_map": ["competency"],
    "lesson_observations": ["standard_lesson"],
    "training_logs": ["completed"],
    "programme_register": ["level"],
    "official_visits": ["problems_solved", "topic"],
    "supervision_findings": ["topic"],
    "residential_areas": ["area_kind"],
    "school_resources": ["multimedia_rooms"],
    "external_benchmarks": ["value"],
}
"""Column outside the key in which a second row with the same key can differ, by feed."""


@mess("same_key_twice", "two rows with the same key and different values", WRONG, slot="rows",
      rule="duplicate_key", refused=True)  # fmt: skip
def _same_key(draft: Draft) -> bool:
    place = (
        _score_cell(draft)
        if draft.feed in RESULTS | ITEMS
        else _any_cell(draft, DIFFERING[draft.feed])
    )
    if place is None:
        return False
    column, row = place
    number = draft.next_row()
    other = _other_value(draft, column, str(draft.table.frame.at[row, column]))
    insert_copy(draft.table, row, number)
    draft.mark(row)
    _set(draft, column, number, other)
    return True


# Against other feeds ----------------------------------------------------------------------------


@mess("unknown_school", "a school that no register has", WRONG, slot="school", feeds=RESOLVED,
      rule="unknown_reference", refused=True)  # fmt: skip
def _unknown_school(draft: Draft) -> bool:
    return _spoil(draft, _any_cell(draft, ["school_code"]), NO_SCHOOL)


@mess("ambiguous_school", "a name that two schools have", WRONG, slot="school", feeds=RESOLVED,
      rule="ambiguous_name", refused=True)  # fmt: skip
def _ambiguous_school(draft: Draft) -> bool:
    shared = draft.register.shared_names()
    return bool(shared) and _spoil(draft, _any_cell(draft, ["school_code"]), shared[0])


@mess("unknown_staff", "a person that no register has", WRONG, rule="unknown_reference",
      feeds=frozenset({"lesson_observations", "training_logs", "official_visits"}),
      refused=True)  # fmt: skip
def _unknown_staff(draft: Draft) -> bool:
    names = [c.name for c in draft.contract.columns if c.name in STAFF_COLUMNS]
    return _spoil(draft, _any_cell(draft, names), NO_STAFF)


@mess("subject_not_in_wave", "a subject that the wave does not have", WRONG, feeds=RESULTS,
      rule="not_in_wave", refused=True)  # fmt: skip
def _not_in_wave(draft: Draft) -> bool:
    table = draft.table
    if not draft.wide(table) or "history" in table.frame or not len(table.frame):
        return False
    add_column(table, "history", "历史", ["60"] * len(table.frame), table.frame.shape[1])
    draft.typed.add("history")
    total(draft, table)
    draft.mark(int(table.frame.index[0]), "history")
    return True


@mess("item_not_on_paper", "an item that the paper does not have", WRONG, feeds=ITEMS,
      rule="no_item", refused=True)  # fmt: skip
def _no_item(draft: Draft) -> bool:
    table = draft.table
    if not len(table.frame):
        return False
    head = "第99题" if draft.chinese else "T99"
    add_column(table, NO_ITEM, head, ["1"] * len(table.frame), table.frame.shape[1])
    draft.typed.add(NO_ITEM)
    draft.mark(int(table.frame.index[0]), NO_ITEM)
    return True


# Columns and sheets -----------------------------------------------------------------------------


@mess("missing_column", "a column that has to be there is not", HEADS, slot="number",
      rule="missing_column", refused=True)  # fmt: skip
def _missing_column(draft: Draft) -> bool:
    needed = [
        c.name
        for c in draft.contract.columns
        if c.required and c.name not in ("wave_id", "score", "subject", "item_no")
        and draft.has(c.name)
    ]  # fmt: skip
    if not needed:
        return False
    name = next((n for n in ("student_no", *draft.contract.key) if n in needed), needed[0])
    drop(draft, name)
    draft.mark(column=name)
    return True


@mess("ambiguous_header", "two columns with the same header", HEADS, rule="ambiguous_header",
      refused=True)  # fmt: skip
def _ambiguous_header(draft: Draft) -> bool:
    names = [c.name for c in draft.contract.columns if c.required and draft.has(c.name)]
    name = next((n for n in ("student_no", "school_code") if n in names), names[-1])
    for table in draft.tables:
        cells = [f"{cell}0" for cell in table.frame[name]]
        add_column(table, f"{EXTRA}{name}", table.heads[name], cells, table.frame.shape[1])
    draft.mark(column=name)
    return True


@mess("two_forms", "a column of scores beside columns of subjects", HEADS, feeds=RESULTS,
      rule="two_forms", refused=True)  # fmt: skip
def _two_forms(draft: Draft) -> bool:
    if any(not draft.wide(table) for table in draft.tables):
        return False
    head = "成绩" if draft.chinese else "score"
    for table in draft.tables:
        cells = table.frame[draft.wide(table)[0]].tolist()
        add_column(table, "score", head, cells, table.frame.shape[1])
    draft.mark(column="score")
    return True


@mess("wrong_template", "the table of another feed", WRONG - 1, slot="shape wave dates class "
      "grade number school flags", rule="wrong_template", refused=True)  # fmt: skip
def _wrong_template(draft: Draft) -> bool:
    feed = "official_visits" if draft.feed != "official_visits" else "school_resources"
    draft.contract = load_contracts()[feed]
    example = {"date": "2024-03-05", "integer": "3", "number": "3", "flag": "是", "grade": "三年级"}
    cells, heads = {}, {}
    for column in draft.contract.columns:
        words = codes().get(column.codes or "", {"": ["A1"]})
        cells[column.name] = [example.get(column.type, next(iter(words.values()))[0])] * 2
        heads[column.name] = column.header
    frame = pd.DataFrame(cells, dtype=object)
    frame[draft.contract.columns[0].name] = ["A1", "A2"]
    draft.tables = [Table(draft.table.sheet, frame, heads)]
    draft.typed = set()
    draft.mark()
    return True


@mess("two_waves", "titles that name two waves", WRONG, slot="wave", feeds=RESULTS | ITEMS,
      rule="ambiguous_wave", refused=True)  # fmt: skip
def _two_waves(draft: Draft) -> bool:
    wave = only_wave(draft)
    if wave is None:
        return False
    drop(draft, "wave_id")
    other = f"{int(wave[:4]) - 1}{wave[4:]}" if wave[:4].isdigit() else f"{wave}-2"
    rows = [[f"监测批次：{wave}"], [f"监测批次：{other}"]]
    draft.layout.append((60, lambda grid: grid.put_above([list(row) for row in rows])))
    return True


# The file ---------------------------------------------------------------------------------------


def _bytes(how: Callable[[bytes], bytes]) -> Callable[[Draft], bool]:
    def act(draft: Draft) -> bool:
        draft.bytes_become = how
        return True

    return act


mess("encrypted", "a workbook with a password", FILE, formats=frozenset({"xlsx", "xls"}),
     rule="encrypted", refused=True)(_bytes(lambda data: encrypted_workbook()))  # fmt: skip
mess("broken_zip", "a workbook whose end was cut off", FILE, formats=EXCEL | {"ods"},
     rule="unreadable", refused=True)(_bytes(lambda data: data[: len(data) * 2 // 3]))  # fmt: skip
mess("empty_file", "a file without a single byte", FILE, formats=TEXTS, rule="empty_file",
     refused=True)(_bytes(lambda data: b""))  # fmt: skip


@mess("header_only", "a header without rows", SHEETS, rule="no_rows", refused=True,
      slot="sheets")  # fmt: skip
def _header_only(draft: Draft) -> bool:
    for table in draft.tables:
        table.frame = table.frame.iloc[:0]
    return True
