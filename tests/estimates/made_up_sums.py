"""Sums of schools as `int_value_added_sums` holds them, of made-up scores."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipelines.estimates.value_added import BASE


def sums_of(schools: Sequence[tuple[np.ndarray, np.ndarray]]) -> pa.Table:
    """Rows of one paper from each school's scores and earlier scores, both as z."""
    rows = []
    for j, (z, prior) in enumerate(schools):
        columns = {
            "z": z, "prior_z": prior, "prior_squared": prior**2,
            "others": np.zeros(len(z)), "no_others": np.ones(len(z)),
        }  # fmt: skip
        row = {"paper_no": 1, "school_code": f"S{j:03d}", "district_code": f"D{j % 3}"}
        row |= {"present": len(z), "n": len(z)}
        row |= {f"sum_{a}": columns[a].sum() for a in columns}
        order = ["z", *BASE]
        for i, a in enumerate(order):
            row |= {f"sum_{a}_{b}": (columns[a] * columns[b]).sum() for b in order[i:]}
        rows.append(row)
    return pa.Table.from_pylist(rows)
