"""Who owes which feed by when, as `duties.yml` says."""

import re
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.feeds.contract import ContractError, load_contracts

MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


class Duty(BaseModel):
    """What has to be handed in of one feed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Literal["school", "district", "city"]
    per: Literal["year", "wave"]
    due: str | int = Field(description="Month-day of the school year, or days after the wave.")

    @model_validator(mode="after")
    def _fits(self) -> "Duty":
        if self.per == "year" and not (isinstance(self.due, str) and MONTH_DAY.fullmatch(self.due)):
            raise ValueError(f"due {self.due!r} is no month and day such as 09-30")
        if self.per == "wave" and not (isinstance(self.due, int) and self.due >= 0):
            raise ValueError(f"due {self.due!r} is no number of days")
        return self


@cache
def duties() -> dict[str, Duty]:
    """Feed → who owes it by when, in the order of the feeds.

    Raises:
        ContractError: a name is no feed, or a feed owed by the wave knows no wave.
    """
    path = Path(__file__).with_name("duties.yml")
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = {feed: Duty.model_validate(duty) for feed, duty in loaded.items()}
    for feed, duty in found.items():
        if feed not in load_contracts():
            raise ContractError(f"duties.yml: no feed {feed}")
        columns = load_contracts()[feed].landed
        if duty.per == "wave" and "wave_id" not in columns:
            raise ContractError(f"duties.yml: {feed} has no column wave_id")
    return {feed: found[feed] for feed in load_contracts() if feed in found}
