"""A made-up city of any size, with known truth written beside it.

It hands in files as schools, districts and the city do (the contracts of `pipelines.feeds` say
how), and knows nothing of the code that reads them.
"""

from pipelines.sample.write import SampleReport, write_sample

__all__ = ["SampleReport", "write_sample"]
