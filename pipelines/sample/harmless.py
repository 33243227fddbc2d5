"""Messes of cells that change nothing: a file with them lands the same rows as the clean one.

They come in the order in which they are put in: form of the table, words, texture of the cells.
"""

import unicodedata
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from pipelines.feeds import codes, load_contracts
from pipelines.sample.books import Formula, text_of
from pipelines.sample.city import numeral
from pipelines.sample.draft import (
    BOOKS,
    EXCEL,
    ISO_DAY,
    PLAIN_NUMBER,
    TEXTS,
    TOTAL,
    Draft,
    Grid,
    Table,
    code_of,
    unless_continued,
)
from pipelines.sample.registry import (
    ITEMS,
    LAYOUT,
    RESULTS,
    SHAPE,
    TEXTURE,
    WORDS,
    having,
    mess,
    with_type,
)

EPOCH = date(1899, 12, 30)
"""Day 0 of a spreadsheet's calendar."""
FULL_WIDTH = str.maketrans("0123456789.-", "０１２３４５６７８９．－")
NUMBERED = with_type("student_no")
DATED = with_type("date", "month")
CLASSED = having("grade", "class_no")

# Form of the table ------------------------------------------------------------------------------


@mess("long_form", "one score a row instead of a column a subject", SHAPE, slot="shape",
      feeds=RESULTS)  # fmt: skip
def _long(draft: Draft) -> bool:
    if any(not draft.wide(table) for table in draft.tables):
        return False
    chinese = draft.chinese
    at = 0
    for table in draft.tables:
        wide = draft.wide(table)
        ids = [str(c) for c in table.frame if c not in wide and c != TOTAL]
        long = table.frame.melt(ids, wide, "subject", "score", ignore_index=False)
        order = np.lexsort((long["subject"].map(wide.index), long.index.to_numpy()))
        long = long.iloc[order].astype(object)
        status = long["score"].map(lambda cell: code_of("score_status", cell) is not None)
        long["status"] = long["score"].where(status, "")
        long["score"] = long["score"].where(~status, "")
        long["subject"] = long["subject"].map(table.heads)
        long.index = pd.RangeIndex(at, at + len(long))
        at += len(long)
        contract = draft.contract
        heads = {name: table.heads[name] for name in ids}
        for name in ("subject", "score", "status"):
            heads[name] = contract.column(name).header if chinese else name
        table.frame, table.heads = long, heads
    draft.typed = {"score"}
    return True


@mess("wide_form", "a column a subject instead of one score a row", SHAPE, slot="shape",
      feeds=RESULTS)  # fmt: skip
def _wide(draft: Draft) -> bool:
    if not all(draft.has(name) for name in ("subject", "score", "status")):
        return False
    at = 0
    for table in draft.tables:
        frame = table.frame
        subjects = [code_of("subject", word) or word for word in frame["subject"]]
        shown = dict(zip(subjects, frame["subject"], strict=True))
        cell = frame["score"].where(frame["score"] != "", frame["status"])
        own = [c for c in frame if c not in ("subject", "score", "status")]
        tall = frame[own].assign(_subject=subjects, _cell=cell)
        wide = tall.pivot(index=own, columns="_subject", values="_cell")
        order = list(dict.fromkeys(subjects))
        if wide.isna().to_numpy().any() and wide.index.get_level_values("grade").nunique() < 2:
            return False
        wide = wide[order].reset_index().astype(object).fillna("")
        if (wide[order] == "").to_numpy().any():
            return False  # not everyone sits every paper: several grades in one file
        wide.index = pd.RangeIndex(at, at + len(wide))
        at += len(wide)
        table.frame = wide
        table.heads = {str(name): table.heads[str(name)] for name in own} | shown
    draft.typed = {str(c) for c in draft.table.frame if c in codes()["subject"]}
    return True


@mess("status_in_score", "缺考 and the like stand in the score's cell, without a status column",
      SHAPE + 1, slot="status", feeds=RESULTS)  # fmt: skip
def _status_in_score(draft: Draft) -> bool:
    if not (draft.has("status") and draft.has("score")):
        return False
    for table in draft.tables:
        status = table.frame.pop("status")
        table.frame["score"] = table.frame["score"].where(status == "", status)
        del table.heads["status"]
    return True


def total(draft: Draft, table: Table) -> None:
    """Put the sums into the column of totals, if the table has one."""
    if TOTAL in table.frame:
        # Whoever added them up by hand was not put off by a blank or a wide digit.
        texts = table.frame[draft.wide(table)].map(
            lambda cell: unicodedata.normalize("NFKC", text_of(cell)).strip().replace(",", "")
        )
        points = texts.apply(pd.to_numeric, errors="coerce")
        sums = points.sum(axis=1).map("{:g}".format)
        none = points.isna().all(axis=1)
        table.frame[TOTAL] = sums.where(~none, "").astype(object)


def add_total(draft: Draft) -> bool:
    """Give every table of a wide form its column of totals; False if there can be none."""
    if any(not draft.wide(table) for table in draft.tables):
        return False
    for table in draft.tables:
        if TOTAL not in table.frame:
            table.frame[TOTAL] = ""
            table.heads[TOTAL] = TOTAL
            total(draft, table)
    draft.typed.add(TOTAL)
    return True


@mess("total_column", "a total beside the subjects", SHAPE + 1, feeds=RESULTS)
def _total_column(draft: Draft) -> bool:
    return all(TOTAL not in table.frame for table in draft.tables) and add_total(draft)


@mess("formula_total", "totals are formulas with their results", LAYOUT, feeds=RESULTS,
      formats=EXCEL, slot="total_cells")  # fmt: skip
def _formula_total(draft: Draft) -> bool:
    if not add_total(draft):
        return False

    def lay(grid: Grid) -> None:
        # Columns may stand anywhere, so the formula adds up single cells; rows are numbered last.
        at = grid.columns.index(TOTAL)
        own = [i for i, c in enumerate(grid.columns) if c in codes()["subject"]]
        for row, line in enumerate(grid.lines):
            value = text_of(line.cells[at])
            if line.kind == "body" and PLAIN_NUMBER.fullmatch(value):
                cells = ",".join(f"{_letters(i)}{row + 1}" for i in own)
                line.cells[at] = Formula(f"=SUM({cells})", value)

    draft.layout.append((99, lay))
    return True


def _letters(column: int) -> str:
    first, last = divmod(column, 26)
    return (chr(64 + first) if first else "") + chr(65 + last)


def only_wave(draft: Draft) -> str | None:
    """The one wave of all rows, if there is one."""
    if not draft.has("wave_id"):
        return None
    waves = {wave for table in draft.tables for wave in table.frame["wave_id"]}
    return str(waves.pop()) if len(waves) == 1 else None


def drop(draft: Draft, column: str) -> None:
    """Take a column out of all tables."""
    for table in draft.tables:
        table.frame = table.frame.drop(columns=column)
        del table.heads[column]


@mess("wave_in_title", "the wave stands in a title row only", SHAPE + 1, slot="wave",
      feeds=RESULTS | ITEMS, rule="wave_elsewhere")  # fmt: skip
def _wave_in_title(draft: Draft) -> bool:
    wave = only_wave(draft)
    if wave is None:
        return False
    drop(draft, "wave_id")
    title = "枣庄市学业质量监测成绩表　" if draft.flip() else ""
    draft.layout.append(
        (60, unless_continued(lambda g: g.put_above([[f"{title}监测批次：{wave}"]])))
    )
    return True


@mess("wave_in_name", "the wave stands in the file's name only", SHAPE + 1, slot="wave name",
      feeds=RESULTS | ITEMS, rule="wave_elsewhere")  # fmt: skip
def _wave_in_name(draft: Draft) -> bool:
    wave = only_wave(draft)
    if wave is None:
        return False
    drop(draft, "wave_id")
    draft.stem = f"{wave}_{draft.stem}" if draft.flip() else f"{draft.stem}（{wave}）"
    return True


# Words ------------------------------------------------------------------------------------------

for _name, _says, _how in [
    ("date_slash", "days as 2024/3/5", "{y}/{m}/{d}"),
    ("date_dot", "days as 2024.3.5", "{y}.{m}.{d}"),
    ("date_compact", "days as 20240305", "{y}{m:02}{d:02}"),
    ("date_chinese", "days as 2024年3月5日", "{y}年{m}月{d}日"),
]:

    @mess(_name, _says, WORDS, slot="dates", feeds=DATED)
    def _date(draft: Draft, how: str = _how) -> bool:
        def shown(cell: str) -> str:
            if not ISO_DAY.fullmatch(cell):
                return cell
            y, m, d = map(int, cell.split("-"))
            return how.format(y=y, m=m, d=d)

        return draft.change_all(draft.of_type("date", "month"), shown)


@mess("date_serial", "days as a spreadsheet counts them, 45356", WORDS, slot="dates", feeds=DATED)
def _date_serial(draft: Draft) -> bool:
    def shown(cell: str) -> str:
        if not ISO_DAY.fullmatch(cell):
            return cell
        return str((date.fromisoformat(cell) - EPOCH).days)

    names = draft.of_type("date", "month")
    draft.typed |= set(names)
    return draft.change_all(names, shown)


@mess("date_cells", "days as date cells of the workbook", WORDS, slot="dates", feeds=DATED,
      formats=EXCEL | {"ods"})  # fmt: skip
def _date_cells(draft: Draft) -> bool:
    draft.dated |= set(draft.of_type("date", "month"))
    return bool(draft.dated)


def _grade_words(position: int) -> Callable[[str], str]:
    def shown(cell: str) -> str:
        code = code_of("grade", cell)
        if code is None:
            return cell
        return code if position < 0 else codes()["grade"][code][position]

    return shown


for _name, _says, _at in [
    ("grade_word", "grades as 七年级", 0),
    ("grade_colloquial", "grades as 初一", 1),
    ("grade_digit", "grades as 7", -1),
]:

    @mess(_name, _says, WORDS, slot="grade", feeds=having("grade"))
    def _grade(draft: Draft, at: int = _at) -> bool:
        return draft.change("grade", _grade_words(at))


def _colloquial(grade: str) -> str:
    return codes()["grade"][grade][1] if int(grade) < 10 else codes()["grade"][grade][0]


CLASS_FORMS: dict[str, tuple[str, Callable[[str, int], str]]] = {
    "class_suffix": ("classes as 3班", lambda g, c: f"{c}班"),
    "class_brackets": ("classes as (3)班", lambda g, c: f"({c})班"),
    "class_full_brackets": (
        "classes as （３）班", lambda g, c: f"（{str(c).translate(FULL_WIDTH)}）班"
    ),
    "class_numeral": ("classes as 三班", lambda g, c: f"{numeral(c)}班"),
    "class_with_grade": (
        "classes as 七年级(3)班", lambda g, c: f"{codes()['grade'][g][0]}({c})班"
    ),
    "class_colloquial": ("classes as 初一3班", lambda g, c: f"{_colloquial(g)}{c}班"),
    "class_dotted": ("classes as 7.3", lambda g, c: f"{g}.{c}"),
    "class_dotted_ban": ("classes as 7.3班", lambda g, c: f"{g}.{c}班"),
    "class_joined": ("classes as 703", lambda g, c: f"{g}{c:02}"),
}  # fmt: skip

for _name, (_says, _form) in CLASS_FORMS.items():

    @mess(_name, _says, WORDS, slot="class", feeds=CLASSED, rule="tidied_class")
    def _class(draft: Draft, form: Callable[[str, int], str] = _form) -> bool:
        if not (draft.has("grade") and draft.has("class_no")):
            return False
        for table in draft.tables:
            table.frame["class_no"] = pd.Series(
                [
                    form(code, int(own)) if (code := code_of("grade", grade)) and own.isdigit()
                    else own
                    for grade, own in zip(
                        table.frame["grade"], table.frame["class_no"], strict=True
                    )
                ],
                table.frame.index,
                dtype=object,
            )  # fmt: skip
        return True


for _name, _says, _words in [
    ("flag_words", "yes and no as 是 and 否", ("是", "否")),
    ("flag_digits", "yes and no as 1 and 0", ("1", "0")),
    ("flag_letters", "yes and no as Y and N", ("Y", "N")),
    ("flag_truth", "yes and no as true and false", ("TRUE", "false")),
    ("flag_ticks", "yes and no as √ and ×", ("√", "×")),
]:

    @mess(_name, _says, WORDS, slot="flags", feeds=with_type("flag"))
    def _flags(draft: Draft, words: tuple[str, str] = _words) -> bool:
        def shown(cell: str) -> str:
            code = code_of("yes_no", cell)
            return cell if code is None else words[code == "false"]

        return draft.change_all(draft.of_type("flag"), shown)


@mess("other_words", "other words for the same: 政治, 城市, 作弊, or the code itself", WORDS,
      slot="words", feeds=with_type("code"))  # fmt: skip
def _other_words(draft: Draft) -> bool:
    changed = []
    for name in [str(c) for c in draft.table.frame]:
        column = draft.column(name)
        is_score = name in draft.scores(draft.table)
        if not (is_score or (column and column.type == "code")):
            continue
        code_set = "score_status" if is_score or column is None else str(column.codes)

        def shown(cell: str, code_set: str = code_set) -> str:
            code = code_of(code_set, cell)
            if code is None:
                return cell
            words = [*codes()[code_set][code], code]
            return words[int(draft.rng.integers(len(words)))]

        changed.append(draft.change(name, shown))
    return any(changed)


def _by_name(draft: Draft, column: str, names: dict[str, str], heads: tuple[str, ...]) -> bool:
    if not draft.has(column) or (column in draft.contract.key and column == "district_code"):
        return False
    used = {cell for table in draft.tables for cell in table.frame[column] if cell}
    shared = pd.Series(list(names.values()), dtype=object)
    twice = set(shared[shared.duplicated()])
    if not used or not all(code in names and names[code] not in twice for code in used):
        return False
    known = draft.contract.column(column).aliases
    head = next((word for word in heads if word in known), "")
    if not head:
        return False
    draft.change(column, names.__getitem__)
    for table in draft.tables:
        table.heads[column] = head
    return True


RESOLVED = frozenset(
    feed
    for feed, c in load_contracts().items()
    if any(x.name == "school_code" and x.resolve_by for x in c.columns)
)
IN_DISTRICT = frozenset(
    feed
    for feed, c in load_contracts().items()
    if any(x.name == "district_code" and x.resolve_by for x in c.columns)
)


@mess("school_by_name", "schools by their names", WORDS, slot="school", feeds=RESOLVED)
def _school_by_name(draft: Draft) -> bool:
    return _by_name(draft, "school_code", dict(draft.register.schools), ("学校名称", "学校"))


@mess("district_by_name", "districts by their names", WORDS, slot="district", feeds=IN_DISTRICT)
def _district_by_name(draft: Draft) -> bool:
    return _by_name(draft, "district_code", dict(draft.register.districts), ("区市", "县区"))


# Texture of cells -------------------------------------------------------------------------------


def _numbers(draft: Draft) -> list[str]:
    """Columns whose values are read as numbers."""
    kept = [str(name) for name in draft.table.frame if name in draft.typed]
    return [name for name in kept if name not in draft.of_type("date", "month")]


@mess("full_width_digits", "digits typed full-width", TEXTURE,
      feeds=with_type("integer", "number", "score"))  # fmt: skip
def _full_width(draft: Draft) -> bool:
    def shown(cell: str) -> str:
        return cell.translate(FULL_WIDTH) if PLAIN_NUMBER.fullmatch(cell) else cell

    return draft.change_all(_numbers(draft), shown)


@mess("thousands_commas", "commas part thousands: 12,500", TEXTURE,
      feeds=with_type("integer", "number"))  # fmt: skip
def _thousands(draft: Draft) -> bool:
    def shown(cell: str) -> str:
        if not PLAIN_NUMBER.fullmatch(cell) or abs(float(cell)) < 1000:
            return cell
        whole, dot, rest = cell.partition(".")
        return f"{int(whole):,}{dot}{rest}"

    names = [name for name in _numbers(draft) if name != "year"]
    return draft.change_all(names, shown)


@mess("decimals", "whole numbers with decimals: 86.0, 86.50", TEXTURE, formats=TEXTS,
      feeds=with_type("score", "number"), slot="digits")  # fmt: skip
def _decimals(draft: Draft) -> bool:
    def shown(cell: str) -> str:
        if not PLAIN_NUMBER.fullmatch(cell):
            return cell
        return f"{cell}0" if "." in cell else f"{cell}.0"

    names = [*draft.scores(draft.table), *draft.of_type("number", "score")]
    return draft.change_all(list(dict.fromkeys(names)), shown)


@mess("numbers_as_text", "numbers stored as text in the workbook", TEXTURE, formats=BOOKS,
      slot="typing", feeds=with_type("integer", "number", "score"))  # fmt: skip
def _numbers_as_text(draft: Draft) -> bool:
    draft.typed.clear()
    return True


@mess("codes_as_numbers", "codes and classes stored as numbers in the workbook", TEXTURE,
      formats=BOOKS, slot="typing")  # fmt: skip
def _codes_as_numbers(draft: Draft) -> bool:
    typed = {"school_code", "district_code", "class_no", "grade", "session_no", "period", "item_no"}
    # 7.10 would be 7.1 as a number.
    dotted = any(
        "." in str(cell)
        for table in draft.tables
        for cell in table.frame.get("class_no", pd.Series(dtype=object))
    )
    draft.typed |= typed - ({"class_no"} if dotted else set())
    return any(name in draft.table.frame for name in typed)


@mess("spaces_around", "blanks of all kinds around values", TEXTURE, slot="blanks")
def _spaces(draft: Draft) -> bool:
    blanks = [" ", "  ", "\u3000", "\u00a0", " \u3000"]

    def shown(cell: str) -> str:
        if not draft.flip(0.25):
            return cell
        blank = blanks[int(draft.rng.integers(len(blanks)))]
        return blank + cell if draft.flip() else cell + blank

    names = [str(name) for name in draft.table.frame]
    return draft.change_all(names, shown)


@mess("dash_for_nothing", "a dash or a stroke where nothing is meant", TEXTURE)
def _dash(draft: Draft) -> bool:
    mark = ["－", "—", "-", "/"][int(draft.rng.integers(4))]
    changed = False
    for table in draft.tables:
        for column in draft.contract.columns:
            if column.name not in table.frame or column.type == "dropped":
                continue
            empty = table.frame[column.name] == ""
            if empty.any():
                table.frame[column.name] = table.frame[column.name].mask(empty, mark)
                changed = True
    return changed


NUMBER_FORMS: dict[str, tuple[str, Callable[[str], str]]] = {
    "number_lower_case": ("student numbers in lower-case letters", str.lower),
    "number_spaced": (
        "student numbers in groups",
        lambda cell: f"{cell[:7]} {cell[7:15]} {cell[15:]}".strip(),
    ),
    "number_apostrophe": ("an apostrophe before student numbers", lambda cell: f"'{cell}"),
    "number_full_width": (
        "student numbers typed full-width",
        lambda cell: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in cell),
    ),
}
for _name, (_says, _turn) in NUMBER_FORMS.items():

    @mess(_name, _says, TEXTURE, slot="number", feeds=NUMBERED)
    def _number(draft: Draft, turn: Callable[[str], str] = _turn) -> bool:
        return draft.change("student_no", turn)


def insert_copy(table: Table, row: int, number: int) -> None:
    """A copy of a row right below it, under a number of its own."""
    at = table.frame.index.tolist().index(row) + 1
    copy = table.frame.loc[[row]].set_axis([number])
    table.frame = pd.concat([table.frame.iloc[:at], copy, table.frame.iloc[at:]])


@mess("repeated_row", "one row stands twice, the same in every cell", TEXTURE,
      rule="repeated_row", slot="rows")  # fmt: skip
def _repeated_row(draft: Draft) -> bool:
    row, number = draft.pick(), draft.next_row()
    if row is None:
        return False
    insert_copy(draft.table, row, number)
    draft.mark(number)
    return True
