"""Figures draw what their frame holds, on the scale that they are given."""

import pandas as pd
import pytest

from dashboards.figures import effect_dots, effect_range, share_range, trend_panel, unit_dots


@pytest.mark.parametrize(
    ("shares", "axis"),
    [
        ([0.71, 0.88], (0.7, 0.9)),
        ([0.72, 0.93], (0.7, 1.0)),
        ([0.15, 0.5], (0.0, 0.5)),
        ([0.99, 1.0], (0.8, 1.0)),
        ([0.7, 0.7], (0.7, 0.9)),
        ([None, float("nan")], (0.0, 1.0)),
        ([], (0.0, 1.0)),
    ],
)
def test_axis_of_shares(shares: list[float], axis: tuple[float, float]) -> None:
    assert share_range(shares) == axis


def test_trend_panel_leaves_out_what_is_withheld() -> None:
    frame = pd.DataFrame(
        {
            "year": ["2023–24", "2024–25", "2025–26"],
            "pass_rate": [0.7, None, 0.75],
            "pass_low": [0.68, None, 0.72],
            "pass_high": [0.73, None, 0.77],
            "pace_rate": [0.7, 0.733, 0.767],
            "mark": [None, "c", "u"],
            "hover": ["a", "", "b"],
        }
    )
    pace, rate = trend_panel(frame, list(frame["year"]), (0.6, 0.8)).data
    assert list(rate.x) == ["2023–24", "2025–26"]
    assert list(rate.error_y.array) == [0.03, 0.02]
    assert list(rate.error_y.arrayminus) == [0.02, 0.03]
    assert rate.marker.color[1] == "#ffffff"
    assert list(pace.y) == [0.7, 0.733, 0.767]


def test_trend_panel_without_a_baseline_has_no_pace_line() -> None:
    frame = pd.DataFrame(
        {
            "year": ["1985–86"],
            "pass_rate": [0.7],
            "pass_low": [0.68],
            "pass_high": [0.73],
            "pace_rate": [None],
            "mark": [None],
            "hover": ["a"],
        }
    )
    assert len(trend_panel(frame, ["1985–86"], (0.6, 0.8)).data) == 1


def test_unit_dots_keep_the_order_and_name_what_is_absent() -> None:
    frame = pd.DataFrame(
        {
            "name": ["乙区", "甲区"],
            "pass_rate": [0.7, None],
            "pass_low": [0.68, None],
            "pass_high": [0.73, None],
            "mark": [None, "x"],
            "hover": ["a", ""],
            "note": ["", "尚未报送"],
        }
    )
    figure = unit_dots(frame, (0.6, 0.8), reference=0.72, reference_label="全市 72.0%")
    assert list(figure.layout.yaxis.categoryarray) == ["乙区", "甲区"]
    assert [note.text for note in figure.layout.annotations] == ["尚未报送", "全市 72.0%"]


def test_effects_keep_the_order_and_tell_bands_by_shape() -> None:
    frame = pd.DataFrame(
        {
            "name": ["乙校", "甲校", "丙校", "丁校"],
            "effect": [-0.4, 0.5, 0.0, None],
            "ci_low": [-0.6, 0.3, None, None],
            "ci_high": [-0.2, 0.7, None, None],
            "band": ["below", "above", "as_expected", None],
            "mark": [None, "u", None, "c"],
            "hover": ["a", "b", "c", ""],
            "note": ["", "", "", "c"],
        }
    )
    figure = effect_dots(frame, (-0.8, 0.8))
    assert list(figure.layout.yaxis.categoryarray) == list(frame["name"])
    drawn = {trace.marker.symbol: trace for trace in figure.data}
    assert list(drawn["triangle-up"].y) == ["甲校"]
    assert drawn["triangle-up"].marker.color == ("#ffffff",)
    assert list(drawn["triangle-down"].error_x.arrayminus) == [0.2]
    assert list(drawn["circle"].error_x.array) == [0.0]
    assert [note.text for note in figure.layout.annotations] == ["c"]


def test_axis_of_effects_is_the_same_on_both_sides() -> None:
    assert effect_range([-0.61, 0.2, None]) == (-0.7, 0.7)
    assert effect_range([]) == (-0.2, 0.2)
