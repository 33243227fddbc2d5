"""The entries of `metrics.yml` as typed objects, named as the glossary names them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.wording import load_glossary

ENTRIES = Path(__file__).with_name("metrics.yml")
Unit = Literal[
    "share", "points", "percent", "marks", "sd", "students", "schools", "files", "ratio",
    "targets", "as_target", "persons", "attendances", "lessons", "hours", "percentile",
    "correlation",
]  # fmt: skip
Level = Literal["city", "district", "school", "class"]
Words = Annotated[str, Field(min_length=1)]


class MetricError(ValueError):
    """An entry of the metrics is malformed; the text names it and what was expected."""


class Model(BaseModel):
    """A table that holds figures: one row for each combination of its grain's columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    grain: tuple[str, ...] = Field(min_length=1)
    groups: tuple[str, ...] = ()
    """Values of `group_kind` by which its figures can be asked, `all` aside."""
    levels: tuple[Level, ...] = Field(("city", "district", "school", "class"), min_length=1)
    """Levels of its units; the first is meant where none is named."""

    @property
    def has_units(self) -> bool:
        """Whether its rows are of units: the city, a district, a school, a class."""
        return "unit_code" in self.grain


class Metric(BaseModel):
    """A published figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="[a-z][a-z0-9_]*")
    zh: Words
    en: Words
    formula: Words
    """In words: what is divided by what, over whom."""
    unit: Unit
    better: Literal["higher", "lower", "neither"]
    model: str
    column: str
    only: Mapping[str, str] = {}
    """Column of the grain → its value in the rows that hold this figure."""
    n: str | None = None
    """Column of the denominator."""
    low: str | None = None
    high: str | None = None
    """Columns of the 95 % interval."""
    source: str = ""
    """Where the method is from: author and year."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The figure, its interval and its denominator, as far as it has them."""
        named = (self.column, self.low, self.high, self.n)
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def description(self) -> str:
        """Chinese name · formula, source; what dbt and a data dictionary say of the column."""
        scale = {"share": "0 to 1", "points": "percentage points", "sd": "standard deviations"}
        told = [self.formula.rstrip("."), scale.get(self.unit, ""), self.source]
        return f"{self.zh} · {'; '.join(part for part in told if part)}."


Entry = TypeVar("Entry", bound=BaseModel)


def load_models(path: Path = ENTRIES) -> Mapping[str, Model]:
    """The tables that hold figures, by name.

    Raises:
        MetricError: an entry is malformed.
    """
    return _load(path)[0]


def load_metrics(path: Path = ENTRIES) -> Mapping[str, Metric]:
    """Every metric by name, in the file's order.

    Raises:
        MetricError: an entry is malformed, or names a model or a column that is not listed.
    """
    return _load(path)[1]


@cache
def _load(path: Path) -> tuple[dict[str, Model], dict[str, Metric]]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    terms = {term.code: {"zh": term.term_zh, "en": term.term_en} for term in load_glossary()}
    models = {name: _made(Model, name, given) for name, given in content["models"].items()}
    metrics = {
        name: _made(Metric, name, {"column": name, **terms.get(name, {}), **given})
        for name, given in content["metrics"].items()
    }
    for metric in metrics.values():
        if metric.model not in models:
            raise MetricError(
                f"{path.name}: {metric.name}: no model {metric.model}; "
                f"the models are: {', '.join(models)}"
            )
        strange = metric.only.keys() - set(models[metric.model].grain)
        if strange:
            raise MetricError(
                f"{path.name}: {metric.name}: only: not in the grain of {metric.model}: "
                f"{', '.join(sorted(strange))}"
            )
    return models, metrics


def _made(kind: type[Entry], name: str, given: Mapping[str, Any]) -> Entry:
    try:
        return kind.model_validate({"name": name, **given})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise MetricError(f"{ENTRIES.name}: {name}: {faults}") from error
