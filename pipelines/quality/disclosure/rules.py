"""The thresholds of disclosure control: one YAML file, each with its reason."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Rules:
    """The thresholds; `rules.yml` says why."""

    few: int
    """Of fewer nothing is told."""
    small: int
    """Of fewer what is told has the mark `u`."""
    revised: int
    """Figures of a cell of which fewer are others than when they were last told are not told."""
    many: int
    """What a few of so many are does not show in how these spread, nor in their effect."""
    narrow: int
    """How far apart the least and the most that a withheld number may be must lie."""
    whole_percent: int
    """Of fewer a rate is told in whole percent."""
    rare: int
    """With fewer on one side, a share is told as a band."""
    bands: dict[int, int]
    """Least number of persons → edge of the band, in percent."""


@cache
def load_rules() -> Rules:
    """The rules as they stand in the file."""
    path = Path(__file__).with_name("rules.yml")
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Rules(**{name: rule["value"] for name, rule in loaded.items()})
