"""Landed rows of which a newer file has the key, found without reading everything again.

Beside each frozen state lies, one file a feed, the hash of every row's key. The next state takes
those of files that are still there over, and reads the files that are new; rows whose hash stands
twice, which are few, are then held against each other by the keys themselves.
"""

import hashlib
import json
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.feeds import Contract
from pipelines.feeds.contract import ORIGIN, quoted

FOLDER = ".keys"
"""In a frozen state; what reads the state looks into the folders of feeds alone."""


def stamp(submission_id: str, path: Path) -> str:
    """What names a landed file as it is now: a register that moved may have it written anew."""
    status = path.stat()
    return f"{submission_id} {status.st_size} {status.st_mtime_ns}"


def kept(state: Path, contract: Contract) -> Path:
    """Where a state keeps the hashes of a feed; other keys, or another engine's, lie elsewhere."""
    decides = [_key(contract), duckdb.__version__]
    digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:8]
    return state / FOLDER / f"{contract.feed}.{digest}.parquet"


def find_superseded(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    landed: list[tuple[str, Path]],
    columns: list[Path],
    before: Path,
    after: Path,
) -> None:
    """Table `superseded`: rows of which a later file has the key, and whether the values differ.

    Args:
        con: where the table is made.
        contract: of the feed.
        landed: submission and landed file, as they arrived, the newest last.
        columns: at most one file, without rows, that has columns which all others lack.
        before: a state whose hashes help; it need not have any.
        after: the state that is being made, which keeps its own.
    """
    stamps = [stamp(one, path) for one, path in landed]
    con.register(
        "arrivals",
        pa.table(
            {
                "position": pa.array(range(len(landed)), pa.int32()),
                "stamp": stamps,
                "path": [str(path) for _, path in landed],
            }
        ),
    )
    con.execute("create temp table keys (position integer, file_row integer, hash ubigint)")
    earlier = kept(before, contract)
    known: set[int] = set()
    if earlier.exists():
        con.execute(
            f"insert into keys select position, file_row, hash "
            f"from read_parquet({quoted(str(earlier))}) join arrivals using (stamp)"
        )
        known = {at for (at,) in con.execute("select distinct position from keys").fetchall()}
    new = [path for at, (_, path) in enumerate(landed) if at not in known]
    if new:
        con.execute(
            f"""
            insert into keys
            select a.position, l.file_row_number, hash({_key(contract)})
            from {_read([*columns, *new])} as l join arrivals as a on a.path = l.filename
            """
        )
    own = kept(after, contract)
    own.parent.mkdir(exist_ok=True)
    con.execute(
        f"copy (select stamp, file_row, hash from keys join arrivals using (position)) "
        f"to {quoted(str(own))} (format parquet, compression zstd)"
    )
    con.execute(
        "create temp table again as from keys where hash in "
        "(select hash from keys group by hash having count(*) > 1)"
    )
    in_doubt = con.execute(
        "select path from arrivals where position in (select position from again) order by position"
    ).fetchall()
    _compare(con, contract, [*columns, *(Path(path) for (path,) in in_doubt)])


def _compare(con: duckdb.DuckDBPyConnection, contract: Contract, paths: list[Path]) -> None:
    """Table `superseded` of the rows in `again`, which are those of some of these files."""
    table = "create temp table superseded"
    if not paths:
        con.execute(
            f"{table} (position integer, file_row bigint, newer integer, newer_row integer, "
            "differs boolean)"
        )
        return
    names = ", ".join(f'"{k}"' for k in contract.landed_key)
    values = ", ".join(f'"{n}"' for n in contract.landed if n not in ORIGIN)
    con.execute(
        f"""
        {table} as
        with candidates as (
            select {names}, a.position, l.file_row_number as file_row, l.source_row,
                hash({values}) as content
            from {_read(paths)} as l
            join arrivals as a on a.path = l.filename
            join again as g on g.position = a.position and g.file_row = l.file_row_number
        ),
        newest_first as (
            select *,
                row_number() over same_key as nth,
                first_value(position) over same_key as newer,
                first_value(source_row) over same_key as newer_row,
                first_value(content) over same_key <> content as differs
            from candidates
            window same_key as (partition by {names} order by position desc, file_row desc)
        )
        select position, file_row, newer, newer_row, differs from newest_first where nth > 1
        """
    )


def _key(contract: Contract) -> str:
    """SQL of a key's values; typed, since a file of the past may hold others than today's."""
    return ", ".join(f'"{name}"::{contract.landed[name]}' for name in contract.landed_key)


def _read(paths: list[Path]) -> str:
    listed = ", ".join(quoted(str(path)) for path in paths)
    return (
        f"read_parquet([{listed}], union_by_name = true, filename = true, file_row_number = true)"
    )
