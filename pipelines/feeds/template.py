"""Workbooks to fill in, derived from the contract."""

from pathlib import Path

import xlsxwriter

from pipelines.feeds.contract import Column, Contract, codes

ROWS = 5000
"""Rows that carry formats and drop-down lists."""


def _choices(column: Column) -> list[str]:
    if not column.code_set:
        return []
    return [words[0] for words in codes()[column.code_set].values()]


def write_template(contract: Contract, path: Path) -> Path:
    """Write an empty workbook for one feed and return its path.

    The first sheet holds the header row alone, its cells formatted as text where leading zeros or
    long numbers must survive, with drop-down lists for codes; the second explains each column.
    """
    with xlsxwriter.Workbook(path) as book:
        head = book.add_format({"bold": True, "bg_color": "#DCE6F1", "border": 1})
        optional = book.add_format({"bg_color": "#F2F2F2", "border": 1})
        text = book.add_format({"num_format": "@"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        sheet = book.add_worksheet(contract.title)
        notes = book.add_worksheet("填写说明")
        notes.write_row(0, 0, ["列", "是否必填", "可填内容", "English"], head)
        notes.set_column(0, 1, 16)
        notes.set_column(2, 3, 60)
        for at, column in enumerate(contract.columns):
            sheet.write_string(0, at, column.header, head if column.required else optional)
            is_day = column.type in ("date", "month")
            is_text = column.type in ("text", "student_no", "dropped")
            sheet.set_column(at, at, 18, day if is_day else text if is_text else None)
            choices = _choices(column)
            if choices and sum(map(len, choices)) + len(choices) <= 255:  # Excel's own limit
                sheet.data_validation(1, at, ROWS, at, {"validate": "list", "source": choices})
            notes.write_row(
                at + 1,
                0,
                [
                    column.header,
                    "必填" if column.required else "选填",
                    "、".join(choices),
                    f"{column.name}: {column.description}",
                ],
                wrap,
            )
        sheet.freeze_panes(1, 0)
    return path
