"""A second reader of messy files, made for these tests alone: slow, plain, and knowing no intake.

It reads a file by rows and cells and gives the rows it describes, in canonical names and values.
"""

import csv
import io
import re
import unicodedata
from datetime import date, timedelta
from functools import cache, lru_cache

import pandas as pd
from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from pipelines.feeds import Column, codes, load_contracts
from pipelines.sample import Register

WAVE = re.compile(r"[0-9]{4}-06-annual")
ITEM = re.compile(r"(?:第|t)?([0-9]+(?:\([0-9]+\))?)题?")
DIGITS = "零一二三四五六七八九"
NOTHING = {"", "-", "—", "/"}
SUMMED = ("小计", "合计", "平均")
SUBJECTS = {w: code for code, ws in codes()["subject"].items() for w in (code, *ws)}
STATUS = {w: code for code, ws in codes()["score_status"].items() for w in (code, *ws)}

GRADES = sorted((w for ws in codes()["grade"].values() for w in ws), key=len, reverse=True)

Row = list[str]
Names = dict[str, dict[str, str]]
"""Column → name → code."""


def plain(cell: str) -> str:
    text = unicodedata.normalize("NFKC", cell).strip()
    return "" if text in NOTHING else text


def sheets(data: bytes) -> list[tuple[str, list[Row]]]:
    """Name and cells of every visible sheet, or of the one table of a text file."""
    if data[:2] == b"PK" or data[:4] == b"\xd0\xcf\x11\xe0":
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        return [
            (
                meta.name,
                [
                    [shown(cell) for cell in row]
                    for row in book.get_sheet_by_name(meta.name).to_python(skip_empty_area=False)
                ],
            )
            for meta in book.sheets_metadata
            if meta.visible == SheetVisibleEnum.Visible and meta.typ == SheetTypeEnum.WorkSheet
        ]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("gb18030")
    tables = [list(csv.reader(io.StringIO(text, newline=""), delimiter=d)) for d in ",\t;"]
    return [("", max(tables, key=lambda rows: max((len(row) for row in rows), default=0)))]


def shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.10g}" if abs(cell) < 1e15 else f"{cell:.2E}"
    return str(cell)


def word(head: str) -> str:
    text = "".join(unicodedata.normalize("NFKC", head).casefold().split())
    return text if re.search(r"[0-9]\([0-9]+\)$", text) else re.sub(r"\([^()]*\)$", "", text)


@lru_cache(maxsize=100_000)
def meaning(feed: str, head: str) -> str | None:
    text = word(head)
    if text in _own(feed):
        return _own(feed)[text]
    if feed == "item_results":
        item = ITEM.fullmatch(text)
        return item[1] if item else None
    if feed == "monitoring_results":
        return "总分" if text == "总分" else SUBJECTS.get(text)
    return None


@cache
def _own(feed: str) -> dict[str, str]:
    columns = load_contracts()[feed].columns
    return {word(w): c.name for c in columns for w in (c.name, c.header, *c.aliases)}


def number_of(numeral: str) -> str:
    """A class's number out of Chinese numerals up to 99."""
    if numeral.isdigit():
        return numeral
    tens, ten, ones = numeral.partition("十")
    if not ten:
        return str(DIGITS.index(tens))
    return str(10 * (DIGITS.index(tens) if tens else 1) + (DIGITS.index(ones) if ones else 0))


def class_of(cell: str, grade: str) -> str:
    if cell.isdigit():
        return cell.removeprefix(grade).lstrip("0") if len(cell) >= 3 else cell
    for known in (*GRADES, f"{grade}."):
        cell = cell.removeprefix(known)
    return number_of(cell.removesuffix("班").strip("()"))


def day_of(cell: str) -> str:
    if re.fullmatch("[0-9]{5}", cell):
        return str(date(1899, 12, 30) + timedelta(days=int(cell)))
    if re.fullmatch("[0-9]{8}", cell):
        return f"{cell[:4]}-{cell[4:6]}-{cell[6:]}"
    y, m, d = re.findall("[0-9]+", cell)[:3]
    return f"{y}-{int(m):02}-{int(d):02}"


@cache
def _column(feed: str, name: str) -> Column | None:
    return next((c for c in load_contracts()[feed].columns if c.name == name), None)


@cache
def _codes(code_set: str) -> dict[str, str]:
    return {w: code for code, ws in codes()[code_set].items() for w in (code.lower(), *ws)}


def value(column: str, cell: str, feed: str, names: Names) -> str:
    text = plain(cell)
    known = _column(feed, column)
    if not text or known is None:
        return text
    text = names.get(column, {}).get(text, text)
    if known.code_set:
        return _codes(known.code_set).get(text.lower(), text)
    if known.type in ("date", "month"):
        return day_of(text)
    if known.type == "student_no":
        return "".join(text.split()).lstrip("'").upper()
    if known.type in ("integer", "number", "score") and text not in STATUS:
        return f"{float(text.replace(',', '')):g}"
    return text


def rows_of(feed: str, path: str, data: bytes, register: Register) -> list[dict[str, str]]:
    """The rows that a file describes."""
    names = {
        "school_code": {name: code for code, name in register.schools.items()},
        "district_code": {name: code for code, name in register.districts.items()},
    }
    found: list[dict[str, str]] = []
    heads: list[str | None] = []
    wave = ""
    for _, rows in sheets(data):
        known = [[meaning(feed, cell) if cell else None for cell in row] for row in rows[:15]]
        # Numbers alone may be points on items as well as numbers of items.
        own = set(_own(feed).values())
        named = [feed != "item_results" or bool(own & set(row)) for row in known]
        count = [n * sum(k is not None for k in row) for n, row in zip(named, known, strict=True)]
        best = max(count, default=0)
        body = rows
        if best >= 2:
            at = count.index(best)
            first = at
            merged = list(known[at])
            for near in (at - 1, at + 1):  # a header of two rows
                if 0 <= near < len(known) and any(known[near]) and known[near] != known[at]:
                    plus = known[near]
                    if all(a is None or b is None for a, b in zip(merged, plus, strict=False)):
                        merged = [a or b for a, b in zip(merged, plus, strict=False)]
                        first = max(first, near)
            heads = merged
            titles = " ".join(cell for row in rows[:first] for cell in row)
            wave = next(iter(WAVE.findall(titles)), wave)
            body = rows[first + 1 :]
        for row in body:
            filled = [cell for cell in row if cell]
            if (
                len(filled) < 2
                or filled[0].startswith(SUMMED)
                or filled[0].startswith(("注", "填表人"))
            ):
                continue
            if [meaning(feed, cell) if cell else None for cell in row] == heads:
                continue
            cells = {
                h: value(h, c, feed, names)
                for h, c in zip(heads, row, strict=False)
                if h is not None
            }
            cells.pop("name", None) if feed in ("students", "staff", "monitoring_results") else None
            if "class_no" in cells and "grade" in cells:
                cells["class_no"] = class_of(cells["class_no"], cells["grade"])
            if feed in ("monitoring_results", "item_results"):
                cells.setdefault("wave_id", wave or next(iter(WAVE.findall(path)), ""))
            found.append(cells)
    return found


def landed(feed: str, files: dict[str, bytes], register: Register) -> pd.DataFrame:
    """The rows of all files, long and without repetition, in an order of their own."""
    rows = [r for path, data in files.items() for r in rows_of(feed, path, data, register)]
    frame = pd.DataFrame(rows).fillna("").astype(str)
    if feed in ("monitoring_results", "item_results"):
        frame = _long(feed, frame)
    for column in load_contracts()[feed].columns:
        if column.name not in frame and column.type != "dropped":
            frame[column.name] = ""
    if feed == "monitoring_results":
        frame["status"] = frame["status"].replace("", "present")
    frame = frame[sorted(frame.columns)].drop_duplicates()
    return frame.sort_values(list(frame), ignore_index=True)


def _long(feed: str, frame: pd.DataFrame) -> pd.DataFrame:
    own = {c.name for c in load_contracts()[feed].columns} | {"总分"}
    wide = [c for c in frame if c not in own]
    names = "subject" if feed == "monitoring_results" else "item_no"
    frame = frame.drop(columns="总分", errors="ignore")
    if wide:
        tall = frame.melt([c for c in frame if c not in wide], wide, "_name", "_score")
        tall = tall[tall["_score"] != ""]
        score = tall.pop("_score")
        if "score" in tall:
            score = score.where(score != "", tall["score"])
        tall["score"] = score
        tall[names] = tall.pop("_name")
        frame = tall
    elif feed == "monitoring_results":
        frame = frame.copy()
    status = frame["score"].map(STATUS)
    if feed == "monitoring_results":
        told = frame["status"] if "status" in frame else pd.Series("", frame.index)
        frame["status"] = status.fillna(told)
    points = frame["score"].where(status.isna(), "")
    frame["score"] = [f"{float(p):g}" if p else "" for p in points]
    return frame
