"""The data and lme4's figures that tests of the multilevel models are held against."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
Table = dict[str, NDArray[np.float64]]


@cache
def table(name: str) -> Table:
    """A data set's columns by name."""
    with gzip.open(DATA / f"multilevel_{name}.csv.gz", "rt", encoding="utf-8") as file:
        names = file.readline().strip().replace('"', "").split(",")
        values = np.loadtxt(file, delimiter=",", ndmin=2)
    return dict(zip(names, values.T, strict=True))


@cache
def reference() -> list[dict[str, Any]]:
    """lme4's fits, as `multilevel.R` wrote them."""
    with gzip.open(DATA / "multilevel.json.gz", "rt", encoding="utf-8") as file:
        return list(json.load(file)["fits"])


def fits(kind: str) -> list[dict[str, Any]]:
    """Those with these random effects: two levels, three levels, or crossed."""
    second = {"two": [], "three": ["upper"], "crossed": ["second"]}[kind]
    return [f for f in reference() if sorted(f["effects"]) == sorted(["group", *second])]


def covariates(name: str, terms: list[str]) -> NDArray[np.float64]:
    """(n, p) columns of a data set."""
    data = table(name)
    return np.array([data[term] for term in terms]).reshape(len(terms), len(data["y"])).T


def upper_of_groups(name: str) -> NDArray[np.intp]:
    """(J,): the upper group of each group, from 0."""
    data = table(name)
    out = np.zeros(int(data["group"].max()), dtype=np.intp)
    out[data["group"].astype(int) - 1] = data["upper"].astype(int) - 1
    return out


def label(fit: dict[str, Any]) -> str:
    """A name for a test's case."""
    kind = "+".join(fit["effects"])
    return f"{fit['set']}-{len(fit['terms'])}-{kind}-{fit['method']}{'-w' * fit['weighted']}"


def far(found: Any, expected: Any) -> float:
    """Largest difference over the size of what is expected (of an array: of its largest)."""
    a, b = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-300))
