"""A made-up city of any size, with known truth written beside it.

It hands in files as schools, districts and the city do (the contracts of `pipelines.feeds` say
how), clean or with every mess that real files have, and knows nothing of the code that reads them.
"""

from pipelines.sample.city import ALIKE, USUAL, Differences
from pipelines.sample.draft import Handed, Injected, Register
from pipelines.sample.mess import MESSES, apply
from pipelines.sample.messy import write_messy
from pipelines.sample.registry import Mess
from pipelines.sample.write import SampleReport, write_sample

__all__ = [
    "ALIKE",
    "MESSES",
    "USUAL",
    "Differences",
    "Handed",
    "Injected",
    "Mess",
    "Register",
    "SampleReport",
    "apply",
    "write_messy",
    "write_sample",
]
