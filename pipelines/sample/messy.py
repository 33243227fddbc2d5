"""The city as real schools would hand it in: every file with some messes, and a list of them."""

import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.sample.mess import MESSES, Handed, Mess, Register, apply
from pipelines.sample.registry import ALL
from pipelines.sample.write import SampleReport, write_city

ERROR_SHARE = 1 / 40
"""Share of files that are refused."""
CORE = frozenset({"districts", "schools", "staff", "monitoring_waves", "item_map"})
"""Feeds that others are checked against: an error in one would cost more than its own file."""
OTHERS = sorted(ALL - CORE)
MESSES_A_FILE = (0.1, 0.2, 0.25, 0.2, 0.15, 0.1)
"""Shares of files with no mess, one, two and so on."""
MANIFEST = "messes.json"


def write_messy(
    out: Path,
    *,
    students: int = 15000,
    years: int = 4,
    seed: int = 2024,
    truth: Path | None = None,
    error_share: float = ERROR_SHARE,
) -> SampleReport:
    """Write the city of `write_sample` as real schools would, and `messes.json` to its truth.

    The rows are those of the clean city of the same arguments, apart from the files that the
    manifest says are refused. Of these there are about `error_share`, none among the registers.

    The manifest holds `messes` (one entry a mess and place: `mess`, `says`, `file`, `sheet`,
    `row` from 1, `header`, `column`, `expected` — `same` or the rule of the error —, `rule` that a
    note or query may name) and `files` (one entry a clean file: `clean`, `handed` — the files that
    came of it —, `refused`: none of its rows are landed).

    Raises:
        ValueError: as `write_sample`, or a share outside 0 to 1.
    """
    if not 0 <= error_share <= 1:
        raise ValueError("the share of errors is from 0 to 1")
    writer = Messy(Path(out), seed, error_share)
    return write_city(writer, Path(out), students, years, seed, truth)


class Messy:
    """Writes every file with messes; which, the seed and the file's place decide."""

    def __init__(self, out: Path, seed: int, error_share: float) -> None:
        self.out, self.seed, self.error_share = out, seed, error_share
        self.files = self.messes = 0
        self.register = Register()
        self.used: Counter[str] = Counter()
        self.taken: set[str] = set()
        """Paths in use, in lower case."""
        self.errors: Counter[str] = Counter()
        """Refused files by feed."""
        self.due = 0.0
        """Errors that are due: a share for each file that may have one."""
        self.entries: list[dict[str, object]] = []
        self.handed: list[dict[str, object]] = []

    def know(self, schools: pd.DataFrame, districts: pd.DataFrame) -> None:
        """Take note of the names that files may use."""
        code = schools["school_code"]
        self.register = Register(
            dict(zip(code, schools["school_name"], strict=True)),
            dict(zip(districts["district_code"], districts["district_name"], strict=True)),
            dict(zip(code, schools["district_code"], strict=True)),
        )

    def csv(self, feed: str, year: str, name: str, table: pa.Table, bom: bool) -> None:
        """Write what the clean city hands in as CSV."""
        self._hand_in(feed, year, name, {"": table}, "csv")

    def book(
        self,
        feed: str,
        year: str,
        name: str,
        sheets: dict[str, pa.Table],
        numbers: list[str],
        days: list[str],
    ) -> None:
        """Write what the clean city hands in as a workbook."""
        self._hand_in(feed, year, name, sheets, "xlsx")

    def finish(self, truth: Path) -> None:
        """Write the manifest."""
        found = {"seed": self.seed, "messes": self.entries, "files": self.handed}
        text = json.dumps(found, ensure_ascii=False, indent=1)
        (truth / MANIFEST).write_text(text + "\n", encoding="utf-8")

    def _hand_in(
        self, feed: str, year: str, name: str, tables: dict[str, pa.Table], form: str
    ) -> None:
        clean = f"{feed}/{year}/{name}"
        rng = np.random.default_rng([self.seed, 20, zlib.crc32(clean.encode())])
        stem = name.rpartition(".")[0]

        def put(ids: list[str]) -> Handed:
            return apply(
                ids, feed, tables, rng, register=self.register, stem=stem, year=year, preferred=form
            )

        # Some of those picked will not fit, or not beside another.
        wanted = round(1.5 * int(rng.choice(len(MESSES_A_FILE), p=MESSES_A_FILE)))
        picks = self._pick(feed, False, rng)[:wanted]
        handed = None
        if feed not in CORE and self.error_share:
            self.due += self.error_share
            # Feeds with many files wait for those with few, so that every kind of error has a turn.
            ahead = self.errors[feed] - min(self.errors[other] for other in OTHERS)
            if self.due >= 1 + ahead:
                handed = self._with_error(feed, picks, put, rng)
                self.errors[feed] += handed is not None
                self.due -= handed is not None
        handed = handed or put(picks)
        self._write(f"{feed}/{year}", clean, handed)

    def _with_error(
        self,
        feed: str,
        picks: list[str],
        put: Callable[[list[str]], Handed],
        rng: np.random.Generator,
    ) -> Handed | None:
        """The file with the error that was put in least so far, of those that fit; none if none."""
        for name in self._pick(feed, True, rng):
            handed = put([name, *picks])
            if any(found.mess == name for found in handed.injected):
                return handed
        return None

    def _pick(self, feed: str, refused: bool, rng: np.random.Generator) -> list[str]:
        """Messes of the feed in a random order, those that were put in least so far first."""
        fit = [m for m in MESSES.values() if feed in m.feeds and m.refused == refused]
        dice = rng.random(len(fit))
        order = sorted(range(len(fit)), key=lambda i: self.used[fit[i].id] + dice[i] * 3)
        return [fit[i].id for i in order]

    def _write(self, folder: str, clean: str, handed: Handed) -> None:
        names: dict[str, str] = {}
        for path, content in handed.files.items():
            names[path] = self._free(f"{folder}/{path}")
            target = self.out / names[path]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.files += len(names)
        here = {MESSES[found.mess] for found in handed.injected}
        self.used.update(mess.id for mess in here)
        self.messes += len(here)
        errors = [mess for mess in here if mess.refused]
        for found in handed.injected:
            mess = MESSES[found.mess]
            entry = asdict(found) | {"file": names[found.file], "says": mess.says}
            self.entries.append(entry | {"expected": mess.expected, "rule": mess.rule})
        self.handed.append(
            {"clean": clean, "handed": list(names.values()), "refused": _one(errors)}
        )

    def _free(self, path: str) -> str:
        """The path, or one beside it where another school chose the same name."""
        stem, _, suffix = path.rpartition(".")
        count = 1
        while path.lower() in self.taken:
            count += 1
            path = f"{stem} ({count}).{suffix}"
        self.taken.add(path.lower())
        return path


def _one(errors: list[Mess]) -> str | None:
    return errors[0].expected if errors else None
