"""The contracts: what every feed may hold. One YAML file a feed under `contracts/`.

Templates, checks, staging models and the documentation are derived from these objects; nothing
repeats them by hand.
"""

from pipelines.feeds.contract import (
    Column,
    Contract,
    ContractError,
    codes,
    load_contracts,
)
from pipelines.feeds.duties import Duty, duties
from pipelines.feeds.rules import Rule, Severity, rules
from pipelines.feeds.template import write_template

__all__ = [
    "Column",
    "Contract",
    "ContractError",
    "Duty",
    "Rule",
    "Severity",
    "codes",
    "duties",
    "load_contracts",
    "rules",
    "write_template",
]
