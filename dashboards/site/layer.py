"""The whole published layer to take away, its own dictionary included: for the centre alone.

One archive of CSV files, one of Parquet files. Equal layers give equal bytes.
"""

import zipfile
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

CSV, PARQUET = "published-csv.zip", "published-parquet.zip"
"""The archives; in each, one folder that is named after the release."""
SUMS = "sha256sums.txt"
"""Digests of all downloads of a release, as `sha256sum --check` reads them."""
_TIME = (1980, 1, 1, 0, 0, 0)


def write_layer(
    connection: duckdb.DuckDBPyConnection, folder: Path, release_id: str
) -> tuple[str, ...]:
    """Write both archives; answers their names.

    Args:
        connection: to the warehouse; its schema `published` is read.
        folder: where they are written.
        release_id: names the folder in each.
    """
    found = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'published' order by all"
    ).fetchall()
    tables = [str(name) for (name,) in found]
    with TemporaryDirectory(dir=folder) as aside:
        for archive, suffix, how, packed in (
            (CSV, "csv", "format csv, header", zipfile.ZIP_DEFLATED),
            (PARQUET, "parquet", "format parquet, compression zstd", zipfile.ZIP_STORED),
        ):
            (folder / archive).unlink(missing_ok=True)
            with zipfile.ZipFile(folder / archive, "w") as file:
                for table in tables:
                    target = Path(aside) / f"{table}.{suffix}"
                    shown = _inert(connection, table) if suffix == "csv" else "*"
                    connection.execute(
                        f"copy (select {shown} from published.{table} order by all) "
                        f"to '{target}' ({how})"
                    )
                    mark = b"\xef\xbb\xbf" if suffix == "csv" else b""
                    _add(file, f"{release_id}/{target.name}", mark + target.read_bytes(), packed)
                    target.unlink()
    return CSV, PARQUET


def write_sums(folder: Path, names: list[str]) -> str:
    """Write the digests of the downloads of these names; answers the list's own name."""
    lines = []
    for name in sorted(names):
        with (folder / name).open("rb") as file:
            digest = sha256()
            while part := file.read(1 << 20):
                digest.update(part)
        lines.append(f"{digest.hexdigest()}  {name}\n")
    (folder / SUMS).unlink(missing_ok=True)
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return SUMS


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        "select column_name, data_type from duckdb_columns() "
        "where schema_name = 'published' and table_name = ? order by column_index",
        [table],
    ).fetchall()


def _inert(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """The columns of a table, texts that a spreadsheet would compute quoted."""
    return ", ".join(
        f"""if(regexp_matches("{name}", '^[=+\\-@\\t\\r]'), '''' || "{name}", "{name}")"""
        f' as "{name}"'
        if kind == "VARCHAR"
        else f'"{name}"'
        for name, kind in _columns(connection, table)
    )


def _add(file: zipfile.ZipFile, name: str, content: bytes, packed: int) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type, info.external_attr = packed, 0o644 << 16
    file.writestr(info, content)
