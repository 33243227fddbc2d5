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
from pipelines.feeds.template import write_template

__all__ = ["Column", "Contract", "ContractError", "codes", "load_contracts", "write_template"]
