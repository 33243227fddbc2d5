"""The contracts: what every feed may hold. One YAML file a feed under `contracts/`.

Templates, checks, staging models and the documentation are derived from these objects; nothing
repeats them by hand.
"""

from pipelines.feeds.contract import (
    Column,
    Contract,
    ContractError,
    codes,
    contract_files,
    load_contracts,
)
from pipelines.feeds.duties import Duty, duties
from pipelines.feeds.rules import Rule, Severity, rules
from pipelines.feeds.template import NOTES_SHEET, TEMPLATE_SHEETS, write_template

__all__ = [
    "NOTES_SHEET",
    "TEMPLATE_SHEETS",
    "Column",
    "Contract",
    "ContractError",
    "Duty",
    "Rule",
    "Severity",
    "codes",
    "contract_files",
    "duties",
    "load_contracts",
    "rules",
    "write_template",
]
