"""What the warehouse records of value added: the tables of `marts` by wave, grade and subject."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import duckdb
import pandas as pd

from pipelines.wording.labels import SUBJECT_ORDER, rank

Record = dict[str, Any]
"""A row; what is missing in it is None."""

KEY = ("wave_id", "grade", "subject")

QUERIES = {
    "waves": """
        select wave_id, school_year, wave_name, held_on
        from marts.dim_wave
        where wave_id in (select wave_id from marts.value_added_model)
        order by held_on desc nulls last, wave_id desc
    """,
    "models": """
        select *
        from marts.value_added_model
        order by wave_id, grade, subject, levels
    """,
    "variants": """
        select *
        from marts.value_added_variant_model
        where levels = 2
        order by wave_id, grade, subject, model
    """,
    "effects": """
        select added.*, units.unit_name
        from marts.value_added as added
        left join marts.unit as units
            on added.level = units.level and added.unit_code = units.unit_code
        order by added.wave_id, added.grade, added.subject, added.level, added.unit_code
    """,
    "by_model": """
        select wave_id, grade, subject, model, unit_code, effect
        from marts.value_added_variant
        where level = 'school' and effect is not null
        order by wave_id, grade, subject, model, unit_code
    """,
    "standing": """
        select * exclude (n, effect, band, state, reason)
        from marts.value_added_standing
        order by wave_id, grade, subject, school_code
    """,
    "curve": """
        select *
        from marts.value_added_curve
        order by wave_id, grade, subject, band
    """,
    "fairness": """
        select *
        from marts.value_added_fairness
        order by wave_id, grade, subject, model, characteristic
    """,
    "error": """
        select *
        from marts.value_added_error
        order by wave_id, grade, subject
    """,
    "growth": """
        select *
        from marts.growth_model
        order by wave_id, grade, subject, priors
    """,
    "years": """
        select *
        from marts.value_added_stability
        where level = 'school'
        order by wave_id, grade, subject, earlier_year desc
    """,
}
"""Each table that is read, once, whole."""


@dataclass(frozen=True)
class Paper:
    """One grade and subject of a wave."""

    grade: int
    subject: str
    schools: Record
    """The record of the two-level model, of schools."""
    districts: Record | None
    """That of the three-level model, of districts."""
    effects: pd.DataFrame
    """Units with scores: rows of `marts.value_added`, those of schools with `value_added_standing`;
    `label` is name and code."""
    by_model: pd.DataFrame
    """Effects of schools by every model: `model`, `unit_code`, `effect`."""
    variants: list[Record]
    curve: pd.DataFrame
    fairness: list[Record]
    error: Record | None
    growth: list[Record]
    years: list[Record]
    """Pairs of this year with the two before it, the nearest first; none outside annual waves."""
    earlier: pd.DataFrame
    """Effects of schools in the nearest of them that has any: `unit_code`, `effect`."""
    prior_waves: tuple[str, ...]
    """Names of the earlier waves whose scores are the priors, that of most students first."""

    @property
    def page(self) -> str:
        """Name of its page of figures."""
        return f"{self.grade}-{path_word(self.subject)}.html"

    @property
    def estimated(self) -> bool:
        """Whether schools have effects."""
        return bool(self.schools["state"] == "estimated")

    @property
    def apart(self) -> bool:
        """Whether the schools of it differ at all: the variance between them is not 0."""
        return self.estimated and self.schools["variance_school"] > 0

    def units(self, level: str) -> pd.DataFrame:
        """The units of a level that have an effect."""
        own = self.effects
        return own[(own["level"] == level) & own["effect"].notna()]


@dataclass(frozen=True)
class Wave:
    """A wave and its papers, by grade and subject."""

    wave_id: str
    school_year: str
    name: str
    papers: list[Paper]

    @property
    def folder(self) -> str:
        """Its folder's name: its identifier, where that is a plain word, else a digest of it."""
        return path_word(self.wave_id)


def read(warehouse: duckdb.DuckDBPyConnection) -> list[Wave]:
    """The waves of a warehouse that have records of value added, the newest first."""
    frames = {name: warehouse.execute(query).df() for name, query in QUERIES.items()}
    effects = frames["effects"].merge(
        frames["standing"].drop(columns="school_year").rename(columns={"school_code": "unit_code"}),
        how="left",
        on=[*KEY, "unit_code"],
    )
    named = effects["unit_name"].fillna("")
    effects["label"] = (named + " " + effects["unit_code"]).str.strip()
    frames["effects"] = effects
    parts: dict[str, dict[Any, pd.DataFrame]] = {
        name: dict(list(frame.groupby(list(KEY), sort=False)))
        for name, frame in frames.items()
        if name != "waves"
    }
    waves = []
    for wave in _records(frames["waves"]):
        keys = sorted(
            (key for key in parts["models"] if key[0] == wave["wave_id"]),
            key=lambda key: (key[1], rank(key[2], SUBJECT_ORDER)),
        )
        papers = [_paper(key, parts, frames) for key in keys]
        name = wave["wave_name"] or wave["wave_id"]
        waves.append(Wave(wave["wave_id"], wave["school_year"], name, papers))
    return waves


def software(warehouse: duckdb.DuckDBPyConnection) -> str:
    """With what the release was made: versions, and the digest of its code."""
    found = warehouse.execute("select software, code from ops.release").fetchall()
    return "; ".join(f"{versions}; code {code[:12]}" for versions, code in found)


def contents(wave: Wave) -> dict[str, Any]:
    """All that a wave's record says, as plain values; of each frame its columns and a digest."""

    def plain(value: Any) -> Any:
        if isinstance(value, pd.DataFrame):
            rows = pd.util.hash_pandas_object(value, index=False).to_numpy()
            return [list(value.columns), sha256(rows.tobytes()).hexdigest()]
        return value

    papers = [{name: plain(value) for name, value in vars(p).items()} for p in wave.papers]
    return {**vars(wave), "papers": papers}


def path_word(word: str) -> str:
    """A word that can be part of a path: itself, or a digest where it holds anything odd."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", word):
        return word
    return sha256(word.encode()).hexdigest()[:12]


def _paper(
    key: tuple[str, int, str],
    parts: dict[str, dict[Any, pd.DataFrame]],
    frames: dict[str, pd.DataFrame],
) -> Paper:
    def own(name: str) -> pd.DataFrame:
        found = parts[name].get(key)
        return frames[name].iloc[:0] if found is None else found

    models = {row["levels"]: row for row in _records(own("models"))}
    years = _records(own("years"))
    told = next((row for row in years if row["state"] == "estimated"), None)
    before = frames["effects"].iloc[:0]
    if told is not None:
        before = parts["effects"].get((told["earlier_wave_id"], *key[1:]), before)
    kept = (before["level"] == "school") & before["effect"].notna()
    names = {row["wave_id"]: row["wave_name"] for row in _records(frames["waves"])}
    error = _records(own("error"))
    return Paper(
        grade=int(key[1]),
        subject=key[2],
        schools=models[2],
        districts=models.get(3),
        effects=own("effects"),
        by_model=own("by_model"),
        variants=_records(own("variants")),
        curve=own("curve"),
        fairness=_records(own("fairness")),
        error=error[0] if error else None,
        growth=_records(own("growth")),
        years=years,
        earlier=before.loc[kept, ["unit_code", "effect"]],
        prior_waves=tuple(names.get(code) or code for code in models[2]["prior_waves"]),
    )


def _records(frame: pd.DataFrame) -> list[Record]:
    """Rows as plain values: None where there is nothing, lists for arrays."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return None if pd.isna(value) else value
