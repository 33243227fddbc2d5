"""Messes around the cells that change nothing: headers, sheets, what stands around the table,
and the file itself. They come in the order in which they are put in.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipelines.feeds import codes
from pipelines.sample.books import Cell, Page, text_of
from pipelines.sample.draft import (
    BOOKS,
    EXCEL,
    EXTRA,
    PLAIN_NUMBER,
    TEXTS,
    TOTAL,
    Draft,
    Grid,
    Line,
    Table,
    unless_continued,
)
from pipelines.sample.registry import (
    FILE,
    HEADS,
    ITEMS,
    LAYOUT,
    RESULTS,
    SHEETS,
    mess,
    with_type,
)

# Headers ----------------------------------------------------------------------------------------


def _item_head(item: str, position: int) -> str:
    forms = [item, f"T{item}", item if "(" in item else f"第{item}题"]
    return forms[position]


def _rename(draft: Draft, named: Callable[[str, str], str]) -> bool:
    """Give every known column another header, by its name and present header."""
    changed = False
    for table in draft.tables:
        for name, head in table.heads.items():
            if name.startswith(EXTRA) or not head:
                continue
            new = named(name, head)
            changed |= new != head
            table.heads[name] = new
    return changed


@mess("alias_headers", "headers are other words for the same: 学号, 得分, 县区", HEADS,
      slot="headwords")  # fmt: skip
def _aliases(draft: Draft) -> bool:
    def named(name: str, head: str) -> str:
        column = draft.column(name)
        if column is None or not column.aliases or head in column.aliases:
            return head
        return column.aliases[int(draft.rng.integers(len(column.aliases)))]

    return _rename(draft, named)


@mess("canonical_headers", "headers are the canonical names", HEADS, slot="headwords")
def _canonical(draft: Draft) -> bool:
    form = int(draft.rng.integers(2))
    items = draft.feed in ITEMS

    def named(name: str, head: str) -> str:
        if name == TOTAL:
            return head
        return _item_head(name, form) if items and draft.column(name) is None else name

    return _rename(draft, named)


@mess("chinese_headers", "headers are those of the template", HEADS, slot="headwords")
def _chinese(draft: Draft) -> bool:
    items = draft.feed in ITEMS

    def named(name: str, head: str) -> str:
        column = draft.column(name)
        if column:
            return column.header
        if items:
            return _item_head(name, 2)
        return codes()["subject"][name][0] if name in codes()["subject"] else head

    return _rename(draft, named)


@mess("header_units", "units behind headers: 成绩(分)", HEADS, slot="headtext",
      feeds=with_type("score", "number") - ITEMS)  # fmt: skip
def _units(draft: Draft) -> bool:
    units = {"hours": "学时", "equipment_value_yuan": "元", "teaching_area_m2": "㎡",
             "sports_area_m2": "㎡", "value": "", "out_of": ""}  # fmt: skip

    def named(name: str, head: str) -> str:
        column = draft.column(name)
        if column is not None and column.type not in ("score", "number"):
            return head
        unit = units.get(name, "分")
        return f"{head}（{unit}）" if unit and draft.flip() else f"{head}({unit})" if unit else head

    return _rename(draft, named)


@mess("header_spaces", "blanks in and around headers: 学 籍 号", HEADS, slot="headtext")
def _header_spaces(draft: Draft) -> bool:
    def named(name: str, head: str) -> str:
        return " ".join(head) if len(head) <= 4 and not head.isascii() else f" {head}\u3000"

    return _rename(draft, named)


@mess("header_line_breaks", "line breaks inside headers", HEADS, slot="headtext",
      formats=BOOKS | {"csv"})  # fmt: skip
def _line_breaks(draft: Draft) -> bool:
    def named(name: str, head: str) -> str:
        half = len(head) // 2
        return f"{head[:half]}\n{head[half:]}" if half else head

    return _rename(draft, named)


@mess("header_case", "letters of headers in another case", HEADS, slot="headtext")
def _header_case(draft: Draft) -> bool:
    return _rename(draft, lambda name, head: head.upper() if head.upper() != head else head.lower())


@mess("header_full_width", "letters and digits of headers full-width", HEADS, slot="headtext")
def _header_full_width(draft: Draft) -> bool:
    return _rename(
        draft,
        lambda name, head: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in head),
    )


@mess("shuffled_columns", "columns in another order", HEADS, slot="order")
def _shuffled(draft: Draft) -> bool:
    for table in draft.tables:
        order = draft.rng.permutation(table.frame.shape[1])
        table.frame = table.frame.iloc[:, order]
    return True


def add_column(table: Table, name: str, head: str, cells: list[str], at: int) -> None:
    """A further column in front of the column `at`."""
    table.frame.insert(at, name, pd.Series(cells, table.frame.index, dtype=object))
    table.heads[name] = head


@mess("extra_columns", "columns that nobody asked for: 序号, 备注, 等级", HEADS,
      rule="unknown_column")  # fmt: skip
def _extra(draft: Draft) -> bool:
    remarks = ["", "", "", "已核对", "转入", "补录"]
    for table in draft.tables:
        n = len(table.frame)
        drawn = draft.rng.integers(0, len(remarks), n)
        add_column(table, f"{EXTRA}序号", "序号", [str(i + 1) for i in range(n)], 0)
        if draft.feed in RESULTS:
            grades = draft.rng.integers(0, 4, n)
            marks = ["ABCD"[i] for i in grades]
            add_column(table, f"{EXTRA}等级", "等级", marks, table.frame.shape[1])
        cells = [remarks[i] for i in drawn]
        add_column(table, f"{EXTRA}备注", "备注", cells, table.frame.shape[1])
    return True


@mess("unnamed_column", "a column with ticks but without a header", HEADS, rule="unnamed_column")
def _unnamed(draft: Draft) -> bool:
    for table in draft.tables:
        ticks = ["√" if i % 3 == 0 else "" for i in range(len(table.frame))]
        add_column(table, EXTRA, "", ticks, table.frame.shape[1])
    return any(len(table.frame) for table in draft.tables)


# Sheets -----------------------------------------------------------------------------------------


def _pieces(draft: Draft, most: int) -> list[pd.DataFrame]:
    """The rows of the one table in two or more pieces, in their order; one if there is one row."""
    frame = draft.table.frame
    n = min(most, len(frame))
    return [frame.iloc[part] for part in np.array_split(np.arange(len(frame)), n)] if n else [frame]


@mess("several_sheets", "several sheets, one a class where there are classes", SHEETS,
      slot="sheets", formats=BOOKS)  # fmt: skip
def _several_sheets(draft: Draft) -> bool:
    if len(draft.tables) > 1 or len(draft.table.frame) < 2:
        return False
    table = draft.table
    if "class_no" in table.frame and "grade" in table.frame:
        group = [table.frame["grade"], table.frame["class_no"]]
        pieces = [part for _, part in table.frame.groupby(group, sort=False)]
    else:
        pieces = _pieces(draft, 3)
    if len(pieces) < 2 or len(pieces) > 60:
        return False
    word = "班级" if "class_no" in table.frame else "表"
    draft.tables = [
        Table(f"{word}{i + 1}", part, dict(table.heads)) for i, part in enumerate(pieces)
    ]
    return True


@mess("continued_sheet", "a second sheet goes on with the rows, without a header", SHEETS,
      slot="sheets", formats=BOOKS, rule="continued_sheet")  # fmt: skip
def _continued(draft: Draft) -> bool:
    if len(draft.tables) > 1 or len(draft.table.frame) < 2:
        return False
    table = draft.table
    first, second = _pieces(draft, 2)
    draft.tables = [
        Table("Sheet1", first, table.heads),
        Table("Sheet2", second, dict(table.heads), headless=True),
    ]
    return True


@mess("split_files", "the rows come in two files", SHEETS, slot="sheets files")
def _split(draft: Draft) -> bool:
    if len(draft.tables) > 1 or len(draft.table.frame) < 2:
        return False
    table = draft.table
    draft.parts = [[Table(table.sheet, part, table.heads)] for part in _pieces(draft, 2)]
    return True


@mess("overlapping_files", "a second file holds some of the rows again, with equal values", SHEETS,
      slot="sheets files")  # fmt: skip
def _overlap(draft: Draft) -> bool:
    if len(draft.tables) > 1 or not len(draft.table.frame):
        return False
    table = draft.table
    some = table.frame.iloc[: max(1, len(table.frame) // 2)]
    draft.parts = [[table], [Table(table.sheet, some, table.heads)]]
    return True


def _lookup(pages: list[Page]) -> Page:
    sets = ["gender", "score_status", "subject"]
    rows: list[list[Cell]] = [["选项"]]
    rows += [[words[0]] for name in sets for words in codes()[name].values()]
    return Page("代码表", rows, hidden=True)


@mess("hidden_lookup", "a hidden sheet with lists for drop-downs", SHEETS, formats=BOOKS,
      rule="unknown_sheet")  # fmt: skip
def _hidden_lookup(draft: Draft) -> bool:
    draft.pages.append((draft.flip(), _lookup))
    return True


@mess("instructions_sheet", "a sheet that says how to fill in", SHEETS, formats=BOOKS,
      rule="unknown_sheet")  # fmt: skip
def _instructions(draft: Draft) -> bool:
    rows: list[list[Cell]] = [["填报要求"], ["1. 每行填写一条记录。"], ["2. 请于6月30日前报送。"]]
    draft.pages.append((draft.flip(), lambda pages: Page("说明", rows)))
    return True


@mess("empty_sheets", "empty sheets behind the table", SHEETS, formats=BOOKS)
def _empty_sheets(draft: Draft) -> bool:
    draft.pages += [(False, lambda pages: Page("空1", [])), (False, lambda pages: Page("空2", []))]
    return True


@mess("chart_sheet", "a chart on a sheet of its own", SHEETS, formats=EXCEL)
def _chart_sheet(draft: Draft) -> bool:
    draft.pages.append((False, lambda pages: Page("图表", [], chart=True)))
    return True


@mess("hidden_copy", "a hidden sheet with an earlier state of the table", SHEETS, formats=BOOKS,
      rule="hidden_sheet")  # fmt: skip
def _hidden_copy(draft: Draft) -> bool:
    def make(pages: list[Page]) -> Page:
        first = next(page for page in pages if page.rows and not page.hidden and not page.chart)
        return Page("旧表", first.rows[:40], first.merges, hidden=True)

    draft.pages.append((False, make))
    return bool(len(draft.table.frame))


# Around the table -------------------------------------------------------------------------------


def _title(draft: Draft) -> list[list[Cell]]:
    unit = draft.register.schools.get(draft.school, "")
    heading = f"枣庄市{f'{draft.year}学年' if draft.year else ''}{draft.contract.title}"
    rows: list[list[Cell]] = [[heading], [f"填报单位：{unit or '枣庄市教育局'}"]]
    if draft.flip():
        rows.append([])
    return rows[int(draft.rng.integers(2)) :] if draft.flip(0.3) else rows


@mess("title_rows", "title rows above the header", LAYOUT)
def _title_rows(draft: Draft) -> bool:
    rows = _title(draft)
    draft.layout.append(
        (65, unless_continued(lambda grid: grid.put_above([list(r) for r in rows])))
    )
    return True


@mess("empty_rows_above", "the table begins some rows down", LAYOUT)
def _offset_rows(draft: Draft) -> bool:
    n = int(draft.rng.integers(1, 4))
    draft.layout.append((70, unless_continued(lambda grid: grid.put_above([[] for _ in range(n)]))))
    return True


@mess("empty_columns_left", "the table begins some columns in", LAYOUT)
def _offset_columns(draft: Draft) -> bool:
    n = int(draft.rng.integers(1, 3))

    def lay(grid: Grid) -> None:
        for line in grid.lines:
            line.cells[:0] = [""] * n
        grid.columns[:0] = [""] * n
        grid.merges = [(a, b + n, c, d + n) for a, b, c, d in grid.merges]

    draft.layout.append((50, lay))
    return True


@mess("empty_columns", "empty columns inside the table", LAYOUT)
def _empty_columns(draft: Draft) -> bool:
    width = draft.table.frame.shape[1]
    places = sorted({int(i) for i in draft.rng.integers(1, max(2, width), 2)}, reverse=True)

    def lay(grid: Grid) -> None:
        for at in places:
            for line in grid.lines:
                line.cells.insert(at, "")
            grid.columns.insert(at, "")

    draft.layout.append((10, lay))
    return width > 1


@mess("empty_rows", "empty rows inside the table", LAYOUT)
def _empty_rows(draft: Draft) -> bool:
    share = draft.rng.random(3)

    def lay(grid: Grid) -> None:
        first = 1 + max((i for i, line in enumerate(grid.lines) if line.kind == "head"), default=-1)
        for at in sorted((share * len(grid.lines)).astype(int).tolist(), reverse=True):
            grid.lines.insert(max(first, at), Line(grid.filled([]), kind="other"))

    draft.layout.append((40, lay))
    return True


def _groups(grid: Grid) -> list[tuple[int, int, str]]:
    """First and last column of a group of headers, and what the group is called."""
    wide = [i for i, c in enumerate(grid.columns) if c in codes()["subject"] or c[:1].isdigit()]
    wide = [i for i in wide if grid.columns[i]]
    if wide and wide == list(range(wide[0], wide[-1] + 1)) and wide[0] > 0:
        return [(0, wide[0] - 1, "基本信息"), (wide[0], wide[-1], "成绩情况")]
    half = len(grid.columns) // 2
    return [(0, half - 1, "基本信息"), (half, len(grid.columns) - 1, "其他信息")]


def _merge(grid: Grid, area: tuple[int, int, int, int]) -> None:
    if area[:2] != area[2:]:
        grid.merges.append(area)


@mess("grouped_header", "a row of group names, merged, above the header", LAYOUT,
      slot="head_rows")  # fmt: skip
def _grouped_header(draft: Draft) -> bool:
    if any(table.frame.shape[1] < 4 for table in draft.tables):
        return False

    def lay(grid: Grid) -> None:
        row: list[Cell] = grid.filled([])
        for first, last, name in _groups(grid):
            row[first] = name
            _merge(grid, (0, first, 0, last))
        grid.lines.insert(0, Line(row, kind="other"))

    draft.layout.append((20, unless_continued(lay)))
    return True


@mess("two_row_header", "a header of two rows with merged cells", LAYOUT, slot="head_rows",
      formats=EXCEL)  # fmt: skip
def _two_row_header(draft: Draft) -> bool:
    if any(table.frame.shape[1] < 4 for table in draft.tables):
        return False

    def lay(grid: Grid) -> None:
        head = grid.lines[0].cells
        upper, lower = list(head), grid.filled([])
        first, last, name = _groups(grid)[-1]
        lower[first : last + 1] = head[first : last + 1]
        upper[first : last + 1] = [name, *[""] * (last - first)]
        _merge(grid, (0, first, 0, last))
        for at in [i for i in range(len(head)) if not first <= i <= last]:
            _merge(grid, (0, at, 1, at))
        grid.lines[:1] = [Line(upper, kind="head"), Line(lower, kind="head")]

    draft.layout.append((20, unless_continued(lay)))
    return True


def _value(cell: Cell) -> float | None:
    if isinstance(cell, int | float):
        return float(cell)
    text = text_of(cell)
    return float(text) if PLAIN_NUMBER.fullmatch(text) else None


def _sums(draft: Draft, grid: Grid, lines: list[Line], word: str, mean: bool) -> Line:
    cells: list[Cell] = grid.filled([])
    summed = draft.typed - {"year", "school_code", "district_code", "class_no", "grade"}
    summed -= set(draft.of_type("date", "month")) | {"session_no", "period", "item_no"}
    for at, name in enumerate(grid.columns):
        if name in summed and at:
            values = [v for line in lines if (v := _value(line.cells[at])) is not None]
            if values:
                cells[at] = round(sum(values) / len(values), 2) if mean else round(sum(values), 2)
    cells[next((i for i, name in enumerate(grid.columns) if name), 0)] = word
    return Line(cells, kind="other")


@mess("subtotal_rows", "rows of subtotals and a total among the rows", LAYOUT,
      rule="subtotal_rows")  # fmt: skip
def _subtotals(draft: Draft) -> bool:
    def lay(grid: Grid) -> None:
        body = [line for line in grid.lines if line.kind == "body"]
        head = [line for line in grid.lines if line.kind != "body"]
        size = max(2, len(body) // 3)
        grid.lines = head
        for start in range(0, len(body), size):
            part = body[start : start + size]
            grid.lines += [*part, _sums(draft, grid, part, "小计", mean=False)]
        grid.lines.append(_sums(draft, grid, body, "合计", mean=False))

    draft.layout.append((30, lay))
    return bool(len(draft.table.frame))


@mess("average_rows", "a row of averages below the rows", LAYOUT, rule="subtotal_rows",
      feeds=with_type("integer", "number", "score"))  # fmt: skip
def _averages(draft: Draft) -> bool:
    word = "平均分" if draft.flip() else "平均"

    def lay(grid: Grid) -> None:
        body = [line for line in grid.lines if line.kind == "body"]
        grid.lines.append(_sums(draft, grid, body, word, mean=True))

    draft.layout.append((31, lay))
    return bool(len(draft.table.frame))


@mess("notes_below", "notes and signatures below the table", LAYOUT, rule="note_rows")
def _notes_below(draft: Draft) -> bool:
    notes = ["注：以上数据已经学校核对。", "填表人：虚老师　　审核人：虚主任　　2024年6月20日"]

    def lay(grid: Grid) -> None:
        grid.lines.append(Line(grid.filled([]), kind="other"))
        grid.lines += [Line(grid.filled([note]), kind="other") for note in notes]

    draft.layout.append((45, lay))
    return True


@mess("repeated_header", "the header again on every printed page", LAYOUT, slot="head_rows",
      rule="repeated_header")  # fmt: skip
def _repeated_header(draft: Draft) -> bool:
    def lay(grid: Grid) -> None:
        head = grid.lines[0]
        body = grid.lines[1:]
        size = max(1, -(-len(body) // 3))
        grid.lines = [head]
        for start in range(0, len(body), size):
            if start:
                grid.lines.append(Line(list(head.cells), kind="other"))
            grid.lines += body[start : start + size]

    draft.layout.append((35, unless_continued(lay)))
    return len(draft.table.frame) > 1


# The file ---------------------------------------------------------------------------------------

for _name, _says, _encoding in [
    ("utf8_bom", "UTF-8 with its mark", "utf-8-sig"),
    ("utf16_le", "UTF-16, little end first, with its mark", "utf-16-le"),
    ("utf16_be", "UTF-16, big end first, with its mark", "utf-16-be"),
    ("gb18030", "GB18030, as Excel in China saves CSV", "gb18030"),
]:

    @mess(_name, _says, FILE, slot="encoding", formats=TEXTS)
    def _encode(draft: Draft, encoding: str = _encoding) -> bool:
        draft.encoding = encoding
        return True


for _name, _says, _kind, _separator in [
    ("tsv", "tabs in a .tsv", "tsv", "\t"),
    ("txt_tabs", "tabs in a .txt", "txt", "\t"),
    ("txt_commas", "commas in a .txt", "txt", ","),
    ("txt_semicolons", "semicolons in a .txt", "txt", ";"),
    ("csv_semicolons", "semicolons in a .csv", "csv", ";"),
    ("csv_tabs", "tabs in a .csv", "csv", "\t"),
]:

    @mess(_name, _says, FILE, slot="form", formats=frozenset({_kind}))
    def _separate(draft: Draft, separator: str = _separator) -> bool:
        draft.separator = separator
        return True


@mess("crlf", "lines end as on Windows", FILE, slot="line_end", formats=TEXTS)
def _crlf(draft: Draft) -> bool:
    draft.line_end = "\r\n"
    return True


for _kind in sorted(BOOKS):

    @mess(_kind, f"a workbook of the form .{_kind}", FILE, slot="form", formats=frozenset({_kind}))
    def _book(draft: Draft) -> bool:
        return True


@mess("upper_case_extension", "the extension in capitals: .XLSX", FILE, slot="suffix")
def _upper(draft: Draft) -> bool:
    draft.upper_suffix = True
    return True


for _name, _says, _kind, _suffix in [
    ("xls_is_text", "an .xls that is text parted by tabs", "txt", ".xls"),
    ("xlsx_is_text", "an .xlsx that is CSV", "csv", ".xlsx"),
    ("xls_is_xlsx", "an .xls that is an .xlsx", "xlsx", ".xls"),
    ("csv_is_xlsx", "a .csv that is an .xlsx", "xlsx", ".csv"),
    ("xlsx_is_xls", "an .xlsx that is an .xls", "xls", ".xlsx"),
]:

    @mess(_name, _says, FILE, slot="form suffix", formats=frozenset({_kind}),
          rule="lying_extension")  # fmt: skip
    def _lie(draft: Draft, suffix: str = _suffix) -> bool:
        draft.suffix = suffix
        return True


@mess("handed_in_twice", "the same file once more under another name", FILE, slot="files")
def _twice(draft: Draft) -> bool:
    draft.copies.append(f"{draft.stem} - 副本")
    return True


@mess("deeper_folder", "folders of districts and schools", FILE, slot="folder")
def _deeper(draft: Draft) -> bool:
    unit = draft.register.districts.get(draft.register.district_of.get(draft.school, ""), "")
    draft.folder = f"{unit or '报送材料'}/{draft.register.schools.get(draft.school, '汇总')}/"
    return True


@mess("human_name", "a file name that a person chose", FILE, slot="name")
def _human_name(draft: Draft) -> bool:
    ends = ["（最终版）", " 定稿", "（6月修改）", "_新"]
    draft.stem = f"{draft.contract.title} {draft.stem}{ends[int(draft.rng.integers(len(ends)))]}"
    return True


@mess("other_school_name", "the file's name carries the code of another school", FILE, slot="name",
      rule="other_school", feeds=frozenset({"students", "monitoring_results"}))  # fmt: skip
def _other_school(draft: Draft) -> bool:
    others = [code for code in draft.register.schools if code != draft.school]
    if not others or not draft.school:
        return False
    rest = draft.stem.partition("-")[2]
    other = others[int(draft.rng.integers(len(others)))]
    draft.stem = f"{other}-{rest}" if rest else other
    return True
