"""What every process that reads needs, made once: imported by the server that they are forked from.

Contracts are parsed here, and Arrow looks for pandas here.
"""

from contextlib import suppress

import pyarrow as pa

from pipelines.feeds import codes, load_contracts, rules
from pipelines.intake import gather

__all__ = ["gather"]

with suppress(Exception):  # what is wrong with them is said by the process that needs them
    load_contracts(), codes(), rules()
pa.array([""], pa.string())
