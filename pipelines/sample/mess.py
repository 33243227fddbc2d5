"""The catalogue of messes, and how any of them are put into a table.

`MESSES` holds every way in which the files of real schools differ from clean ones, each with what
is expected of the intake. `apply` puts chosen ones into one table and gives the files. The
functions themselves stand in `harmless`, `surroundings` and `harmful`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

# Imported for what they enter into the catalogue.
from pipelines.sample import harmful, harmless, surroundings  # noqa: F401
from pipelines.sample.draft import Draft, Handed, Register, begin, finish
from pipelines.sample.registry import CATALOGUE, Mess

MESSES: Mapping[str, Mess] = MappingProxyType(
    dict(sorted(CATALOGUE.items(), key=lambda entry: entry[1].refused))
)
"""Every mess by id: the harmless ones first, then those for which a file is refused."""

Tables: TypeAlias = pa.Table | pd.DataFrame | Mapping[str, pa.Table | pd.DataFrame]


def apply(
    mess_ids: Iterable[str],
    feed: str,
    tables: Tables,
    rng: np.random.Generator,
    *,
    register: Register | None = None,
    stem: str = "file",
    year: str = "",
    preferred: str = "csv",
) -> Handed:
    """Put messes into a clean table and give the files that are handed in.

    A mess that does not fit is left out: it shares a slot, or no form of file, with one before it,
    or the table holds nothing that it touches. What was put in is in the result's `injected`.

    Args:
        mess_ids: ids of `MESSES`; earlier ones take precedence.
        feed: the feed of the table.
        tables: text cells under canonical names or the headers of the template; one table, or
            several by the name of their sheet.
        rng: decides every detail.
        register: names of schools and districts, for messes that need them.
        stem: name of the file without extension.
        year: the school year, for titles.
        preferred: form of the file where the messes leave the choice.

    Raises:
        KeyError: no such mess or feed.
        ValueError: a mess that files of this feed do not have.
    """
    messes = [MESSES[name] for name in dict.fromkeys(mess_ids)]
    for mess in messes:
        if feed not in mess.feeds:
            raise ValueError(f"{mess.id} is no mess of {feed}")
    named = tables if isinstance(tables, Mapping) else {"": tables}
    draft = begin(feed, named, rng, register or Register(), stem, year)
    if preferred in draft.formats:
        draft.preferred = preferred
    kept: list[Mess] = []
    for mess in messes:
        taken = {slot for other in kept for slot in other.slots}
        if mess.slots & taken or not draft.formats & mess.formats:
            continue
        kept.append(mess)
        draft.formats &= mess.formats
    for mess in sorted(kept, key=lambda m: m.order):
        _put_in(draft, mess)
    return finish(draft)


def _put_in(draft: Draft, mess: Mess) -> None:
    draft.mess = mess.id
    before = len(draft.marks)
    if mess.act(draft) and len(draft.marks) == before:
        draft.mark()


__all__ = ["MESSES", "Handed", "Mess", "Register", "apply"]
