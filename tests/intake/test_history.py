"""Whatever arrives, is replaced and taken back in whichever order: the standing rows are those that
a plain model keeps, and each moment of the past can be built again.
"""

import io
from dataclasses import dataclass, field
from datetime import datetime
from unittest.mock import patch

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.feeds import load_contracts
from pipelines.intake import (
    IntakeError,
    Ledger,
    declare_replacement,
    freeze,
    give_back,
    ingest_feed,
    withdraw,
)
from pipelines.intake.ledger import now
from pipelines.settings import Settings

FOLDER = "districts/2023-2024"
HEADER = "区划代码,区市名称,类型\n"
BROKEN = "no table\n"
Row = tuple[str, str]


@dataclass
class Model:
    """What should stand, kept by hand. A file is its path and its text; times are step numbers."""

    raw: dict[str, str] = field(default_factory=dict)
    last_scan: dict[str, str] = field(default_factory=dict)
    landed: dict[str, Row] = field(default_factory=dict)
    """Path → text and time of arrival of the version whose rows stand."""
    refused: dict[str, Row] = field(default_factory=dict)
    arrivals: dict[Row, str] = field(default_factory=dict)
    """Every version that was ever read, and when it arrived last."""
    back: list[tuple[str, dict[str, Row], dict[str, Row]]] = field(default_factory=list)
    """Files taken back, with what stood and what was refused then."""
    declared: list[tuple[str, str, set[str]]] = field(default_factory=list)

    def ingest(self, time: str) -> None:
        present = [*self.landed.values(), *self.refused.values()]
        gone = {(path, text) for _, *both in self.back for kept in both
                for path, (text, _) in kept.items()}  # fmt: skip
        here = {p: text for p, text in self.raw.items() if (p, text) not in gone}
        for kept in (self.landed, self.refused):
            for path in set(kept) - set(here):
                del kept[path]
        behind = {p: self.landed[p] for p in here if here[p] == BROKEN and p in self.landed}
        alive = {p for p in here if here[p] != BROKEN} | set(behind)
        before = {(p, *kept) for each in (self.landed, self.refused) for p, kept in each.items()}
        self.landed, self.refused = {}, {}
        for path, text in here.items():
            times = [at for kept, at in present if kept == text]
            if (path, text) in self.arrivals and self.last_scan.get(path) == text:
                times.append(self.arrivals[path, text])
            same = [at for p, kept, at in before if (p, kept) == (path, text)]
            at = same[0] if same else min(times, default=time)
            if not self.over(path, text, alive):
                (self.refused if text == BROKEN else self.landed)[path] = (text, at)
                self.arrivals[path, text] = at
            else:
                self.arrivals.setdefault((path, text), at)
        for path, (text, at) in behind.items():
            if not self.over(path, text, alive):
                self.landed[path] = (text, at)
        self.last_scan = dict(self.raw)

    def over(self, path: str, text: str, alive: set[str]) -> bool:
        """Whether a file was declared to replace this version, itself or through others."""
        newer = {n for n, old, texts in self.declared if old == path and text in texts}
        while True:
            more = {n for n, old, _ in self.declared if old in newer} - newer
            if not more:
                return bool(newer & alive)
            newer |= more

    def circular(self, new: str, old: str) -> bool:
        """Whether `new` is, or was declared to be replaced by, what `old` stands in place of."""
        under = {old}
        while True:
            more = {o for n, o, _ in self.declared if n in under} - under
            if not more:
                return new in under
            under |= more

    def withdraw(self, path: str) -> None:
        taken = tuple(
            {path: kept.pop(path)} if path in kept else {} for kept in (self.landed, self.refused)
        )
        self.back.append((path, *taken))

    def give_back(self, path: str) -> None:
        place = max(i for i, (p, *_) in enumerate(self.back) if p == path)
        _, landed, refused = self.back.pop(place)
        if path not in self.landed and path not in self.refused:
            self.landed |= landed
            self.refused |= refused

    def rows(self) -> list[Row]:
        """The rows that stand: of each code that of the newest file."""
        files = sorted((at, path.removesuffix(".csv"), text) for path, (text, at)
                       in self.landed.items())  # fmt: skip
        frames = [pd.read_csv(io.StringIO(text), dtype=str) for *_, text in files]
        if not frames:
            return []
        whole = pd.concat(frames).drop_duplicates("区划代码", keep="last").sort_values("区划代码")
        return list(whole[["区划代码", "区市名称"]].itertuples(index=False, name=None))


paths = st.sampled_from(["a", "b", "c"]).map(lambda name: f"{FOLDER}/{name}.csv")
# Few, so that the same bytes often come again, under the same name or another.
texts = st.sampled_from(
    [
        BROKEN,
        *(
            HEADER + "".join(f"37040{code},{name},县\n" for code, name in rows)
            for rows in (["1x"], ["1y", "2x"], ["1x", "2y", "3x"])
        ),
    ]
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), paths, texts),
        st.tuples(st.just("write"), paths, texts),
        st.tuples(st.sampled_from(["delete", "withdraw", "undo"]), paths),
        st.tuples(st.just("replaces"), paths, paths),
        st.tuples(st.just("ingest")),
        st.tuples(st.just("ingest")),
    ),
    min_size=4,
    max_size=16,
)


def standing(own: Settings) -> list[Row]:
    path = freeze(own).path
    with duckdb.connect() as con:
        return con.execute(
            f"select district_code, district_name from "
            f"read_parquet('{path}/districts/*/*.parquet', union_by_name = true) order by 1"
        ).fetchall()


def act(own: Settings, model: Model, step: tuple[str, ...], time: str) -> None:
    """One step, in the platform and in the model."""
    what, *given = step
    path = given[0] if given else ""
    match what:
        case "write":
            (own.raw / path).write_text(given[1], encoding="utf-8")
            model.raw[path] = given[1]
        case "delete":
            (own.raw / path).unlink(missing_ok=True)
            model.raw.pop(path, None)
        case "ingest":
            ingest_feed(own, "districts")
            model.ingest(time)
        case "withdraw" if path in model.landed or path in model.refused:
            withdraw(own, path)
            model.withdraw(path)
        case "undo" if any(p == path for p, *_ in model.back):
            give_back(own, path)
            model.give_back(path)
        case "replaces":
            texts = {text for (p, text) in model.arrivals if p == given[1]}
            texts |= {model.raw[given[1]]} if given[1] in model.raw else set()
            try:
                declare_replacement(own, path, given[1])
            except IntakeError:
                assert path not in model.raw or not texts or model.circular(path, given[1])
            else:
                model.declared.append((path, given[1], texts))
        case _:
            with pytest.raises(IntakeError):
                (withdraw if what == "withdraw" else give_back)(own, path)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_what_stands_is_what_a_plain_model_keeps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    own = Settings.load(
        raw=folder / "raw", home=folder / "home", pseudonym_key_file=folder / "key" / "k"
    )
    (own.raw / FOLDER).mkdir(parents=True)
    model, moments = Model(), list[tuple[datetime, list[Row]]]()
    only = {"districts": load_contracts()["districts"]}
    with patch("pipelines.intake.standing.load_contracts", lambda: only):
        for number, step in enumerate([*steps, ("ingest",)]):
            act(own, model, step, f"{number:03}")
            assert standing(own) == model.rows(), (number, step)
            moments.append((now(), model.rows()))
        for moment, rows in moments:
            then = own.model_copy(update={"as_of": f"{moment.isoformat()}+00:00"})
            if rows:
                assert standing(then) == rows
            else:
                assert not Ledger(own).submissions(state="landed", as_of=moment)
