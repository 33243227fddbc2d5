"""The terms of the trade, Chinese and English, with their codes."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).with_name("glossary.csv")


@dataclass(frozen=True)
class Term:
    """One row of the glossary."""

    term_zh: str
    term_en: str
    code: str
    short_zh: str
    meaning_en: str
    note: str


@cache
def load_glossary() -> tuple[Term, ...]:
    """Every term, in the file's order."""
    with GLOSSARY.open(encoding="utf-8", newline="") as text:
        return tuple(Term(**row) for row in csv.DictReader(text))
