"""Rows below a header that are no records: blanks, subtotals, notes, the header once more."""

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.clean import NOTHING

EMPTY = (*NOTHING, "－")
"""What people write for nothing."""
SUBTOTAL = re.compile(
    r".{0,10}?(合计|小计|总计|累计|平均分?|均分|平均值|最高分?|最低分?|标准差"
    r"|(合格|及格|优秀|良好|优良|低分|参考|参测)率|(总|参考|参测|实考|应考|缺考|合格|优秀)?人数)"
    r"\s*[:：]?"
)
NOTE = re.compile(
    r"\s*([※*＊]|(附?注|备注|说明|填表|填报|制表|审核|复核|联系|负责|经办|签[字名章]|盖章|打印|报送"
    r"|单位|日期|注意|以上|数据来源)[^，,]{0,8}[:：\s]|(附?注|说明)\d?[、.．:：])"
)
SENTENCE = re.compile(r"[\u4e00-\u9fff].{3,}")
DAY = re.compile(r"(19|20)\d\d[年./-]\d{1,2}([月./-]|[月./-]\d{1,2}日?)?")
"""Below a table, the day on which it was signed."""


def rows_aside(
    table: pa.Table,
    identity: int | None,
    used: Sequence[int],
    headers: Sequence[Sequence[str]],
    words: Collection[str] = (),
) -> dict[int, str]:
    """Row of the table → why it is no record: `blank`, `subtotal`, `note`, `repeated_header`.

    Args:
        table: text cells c0, c1, … below the header.
        identity: the column that names what a row is about, such as the student's number; a row
            that has a code there is a record and not looked at further.
        used: the columns that were recognised.
        headers: cells of the rows of the header.
        words: what a record may say in the identity's column, such as 全省平均.
    """
    n = table.num_rows
    if not n:
        return {}
    if identity is None or f"c{identity}" not in table.column_names:
        doubtful = list(range(n))
    else:
        again = [row[identity] for row in headers if identity < len(row)]
        doubtful = _doubtful(table[f"c{identity}"], pa.array(again, pa.string()))
    if not doubtful:
        return {}
    cells = table.take(pa.array(doubtful)).to_pydict()
    rows = [["".join((v or "").split()) for v in row] for row in zip(*cells.values(), strict=True)]
    repeated = {tuple("".join(v.split()) for v in header) for header in headers}
    after = _last_record(n, doubtful)
    found: dict[int, str] = {}
    # From the end, so that a note is known by having no record after it.
    for number, row in zip(reversed(doubtful), reversed(rows), strict=True):
        own = row[identity] if identity is not None and identity < len(row) else ""
        why = "" if own in words else _why(row, own, used, repeated, number > after)
        if why:
            found[number] = why
        else:
            after = max(after, number)
    return found


def _doubtful(codes: pa.ChunkedArray, headers: pa.Array) -> list[int]:
    """Rows whose code is no plain code, or is that of the header."""
    if pa.types.is_dictionary(codes.type):
        codes = codes.unify_dictionaries()
        texts = codes.chunk(0).dictionary if codes.num_chunks else headers
        odd = np.zeros(len(texts), dtype=bool)
        odd[_doubtful(pa.chunked_array([texts]), headers)] = True
        numbers = [chunk.indices.to_numpy() for chunk in codes.chunks]
        return np.flatnonzero(odd[np.concatenate(numbers)]).tolist() if odd.any() else []
    plain = pc.match_substring_regex(codes, r"^\s*[!-.0-~][!-~ ]*$")
    day = pc.match_substring_regex(codes, rf"^\s*{DAY.pattern}\s*$")
    header = pc.or_(pc.is_in(codes, value_set=headers), pc.fill_null(day, False))
    record = pc.and_not(pc.fill_null(plain, False), header)
    return list(pc.indices_nonzero(pc.invert(record)).to_pylist())


def _last_record(n: int, doubtful: list[int]) -> int:
    """The last row that is not doubtful; -1 if there is none."""
    last = n - 1
    for number in reversed(doubtful):
        if number != last:
            break
        last -= 1
    return last


def _why(
    row: list[str],
    own: str,
    used: Sequence[int],
    headers: set[tuple[str, ...]],
    trailing: bool,
) -> str:
    filled = [cell for cell in row if cell not in EMPTY]
    if not filled:
        return "blank"
    if tuple(row) in headers:
        return "repeated_header"
    nameless = own in EMPTY or SUBTOTAL.fullmatch(own) or SENTENCE.match(own)
    if nameless and any(SUBTOTAL.fullmatch(cell) for cell in filled):
        return "subtotal"
    recognised = sum(row[c] not in EMPTY for c in used if c < len(row))
    if nameless and len(filled) <= 4 and NOTE.match(filled[0]):
        return "note"
    if not recognised:
        return "note"
    # One sentence, or a day, in a row by itself below the last record.
    alone = trailing and len(filled) == 1 and len(used) > 2
    if alone and (SENTENCE.match(filled[0]) or DAY.fullmatch(filled[0])):
        return "note"
    return ""
