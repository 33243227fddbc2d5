"""The warehouse's figures computed a second time, one module a subject, from the feeds' frames.

Written from the methods in plain pandas and NumPy, never from the models.
"""

import pandas as pd


def agree(found: pd.DataFrame, expected: pd.DataFrame, key: list[str]) -> None:
    """Same keys on both sides, same words, and figures within 1e-9."""
    expected = expected.set_index(key).sort_index()
    found = found.set_index(key).sort_index()
    assert not found.index.has_duplicates
    assert list(found.index) == list(expected.index)
    for column in expected.columns:
        ours, theirs = found[column], expected[column]
        if pd.api.types.is_numeric_dtype(theirs):
            gap = (ours.astype(float) - theirs.astype(float)).abs()
            assert (ours.isna() == theirs.isna()).all(), column
            assert gap.max() < 1e-9, (column, gap.idxmax())
        else:
            assert ours.fillna("").tolist() == theirs.fillna("").tolist(), column
