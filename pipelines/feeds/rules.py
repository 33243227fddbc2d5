"""The rules that what is handed in must keep: one YAML file, read by all that speak of them."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

Severity = Literal["error", "query", "note"]
Layer = Literal["file", "cell", "row", "between"]
Evidence = Literal["found", "expected"]


class Rule(BaseModel):
    """One rule: how grave a breach is, where it is looked for, and what is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    """error: the file is not taken; query: taken, to be confirmed; note: tidied, nothing to do."""
    layer: Layer
    title: str
    """A few words, msgid of the catalogue."""
    message: str
    """A sentence or two with the places {found} and {expected}, msgid of the catalogue."""
    evidence: tuple[Evidence, ...] = ()
    """What of a query has to stay the same for an answer to it to hold, beside file and place.

    Empty where the file alone decides. What a query between files expects is left out where it
    follows from all the other schools, since it moves with each of them.
    """


@cache
def rules() -> dict[str, Rule]:
    """Every rule by its id, in the order of the file."""
    path = Path(__file__).with_name("rules.yml")
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Rule.model_validate(rule) for name, rule in loaded.items()}
