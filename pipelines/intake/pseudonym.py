"""Pseudonyms: HMAC-SHA-256 of the normalised student number, under a key outside all data."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.feeds.contract import quoted
from pipelines.intake.problems import NoKey
from pipelines.settings import Settings
from pipelines.wording import bilingual

BLOCK = 64
BATCH = 20_000


def load_key(settings: Settings) -> bytes:
    """The key; made on first use (mode 0600), except in production.

    Raises:
        NoKey: no key in production, or a file that holds fewer than 32 bytes.
    """
    path: Path = settings.pseudonym_key_file
    if not path.exists():
        if settings.env == "production":
            raise NoKey(
                bilingual("No pseudonym key at {path}. Restore it from its backup.", path=path)
            )
        make_key(path)
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The key that a file holds.

    Raises:
        NoKey: it holds fewer than 32 bytes.
    """
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError as error:
        raise NoKey(bilingual("{path} holds no hexadecimal key.", path=path)) from error
    if len(key) < 32:
        raise NoKey(bilingual("The key in {path} is shorter than 32 bytes.", path=path))
    return key


def make_key(path: Path) -> None:
    """A new key, whole or not there at all; one that another process made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()


def key_id(key: bytes) -> str:
    """A short name of the key that tells nothing about it."""
    return hashlib.sha256(b"eqm key id" + key).hexdigest()[:8]


def key_of(path: Path) -> str | None:
    """Id of the key that a landed file was made under; none where it holds no student."""
    with duckdb.connect() as con:
        query = f"select key_id from read_parquet({quoted(str(path))}) limit 1"
        found = con.execute(query).fetchall()
    return found[0][0] if found else None


def student_keys(con: duckdb.DuckDBPyConnection, key: bytes, numbers: pa.Table) -> pa.Array:
    """The pseudonyms of a table of numbers (id, value), by id, from 0.

    HMAC (RFC 2104) in SQL, once a number; the padded keys are bound, never SQL text.
    """
    if len(key) > BLOCK:
        key = hashlib.sha256(key).digest()
    padded = key.ljust(BLOCK, b"\0")
    inner = bytes(b ^ 0x36 for b in padded)
    outer = bytes(b ^ 0x5C for b in padded)
    # In batches, so that every core has a share.
    batches = numbers.combine_chunks().to_batches(BATCH)
    con.register("student_numbers", pa.Table.from_batches(batches, numbers.schema))
    query = (
        "select id, sha256($outer::blob || unhex(sha256($inner::blob || encode(value)))) as named "
        "from student_numbers"
    )
    keys = con.sql(query, params={"inner": inner, "outer": outer}).to_arrow_table()
    con.unregister("student_numbers")
    at = np.empty(keys.num_rows, np.int64)
    at[keys["id"].to_numpy()] = np.arange(keys.num_rows)
    return keys["named"].take(pa.array(at)).combine_chunks()
