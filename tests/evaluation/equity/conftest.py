"""Exam results, and what R makes of them."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def exam() -> dict[str, np.ndarray]:
    with gzip.open(DATA / "equity_exam.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def by_r() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "equity.json").read_text())
    return found
