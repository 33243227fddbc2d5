"""Figures draw what their frame holds, on the scale that they are given."""

import pandas as pd
import pytest

from dashboards.figures import (
    diagnostics,
    effect_dots,
    effect_range,
    share_range,
    status_stacks,
    trend_panel,
    unit_dots,
)
from dashboards.figures.template import PAPER, years_axis


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
    assert rate.marker.color[1] == PAPER
    assert list(pace.y) == [0.7, 0.733, 0.767]


@pytest.mark.parametrize(
    ("known", "written"),
    [(0, []), (1, [0]), (2, [0, 1]), (3, [0, 2]), (4, [1, 3]), (5, [1, 4]), (6, [2, 5])],
)
def test_at_most_two_years_are_written_under_a_small_panel(known: int, written: list[int]) -> None:
    years = [f"{2020 + at}–{21 + at}" for at in range(known)]
    assert years_axis(years)["tickvals"] == [years[at] for at in written]


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
    assert drawn["triangle-up"].marker.color == (PAPER,)
    assert list(drawn["triangle-down"].error_x.arrayminus) == [0.2]
    assert list(drawn["circle"].error_x.array) == [0.0]
    assert [note.text for note in figure.layout.annotations] == ["c"]


def test_axis_of_effects_is_the_same_on_both_sides() -> None:
    assert effect_range([-0.61, 0.2, None]) == (-0.7, 0.7)
    assert effect_range([]) == (-0.2, 0.2)


def schools() -> pd.DataFrame:
    """Four schools by value, two of them beyond 0."""
    return pd.DataFrame(
        {
            "name": ["甲校 1", "乙校 2", "丙校 3", "丁校 4"],
            "n": [40, 25, 160, 90],
            "effect": [-0.3, -0.05, 0.02, 0.4],
            "ci_low": [-0.5, -0.25, -0.1, 0.25],
            "ci_high": [-0.1, 0.15, 0.14, 0.55],
            "raw_residual": [-0.5, -0.1, 0.03, 0.5],
            "residual": [-1.4, -0.3, 0.1, 2.2],
            "band": ["below", "as_expected", "as_expected", "above"],
            "model_low": [-0.4, -0.3, -0.05, 0.1],
            "model_high": [-0.2, 0.1, 0.05, 0.5],
            "is_same": [True, True, False, True],
            "below": [0.9, 0.3, 0.1, 0.0],
            "as_expected": [0.1, 0.6, 0.7, 0.05],
            "above": [0.0, 0.1, 0.2, 0.95],
        }
    )


def bands() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [100, 100, 400],
            "mean_prior": [-1.0, 0.0, 1.0],
            "mean_z": [-0.6, 0.1, 0.7],
            "fitted_mean": [-0.7, 0.0, 0.75],
        }
    )


def test_the_curve_and_its_residuals_are_those_of_the_bands() -> None:
    line, dots = diagnostics.prior_curve(bands()).data
    assert list(line.y) == [-0.7, 0.0, 0.75] and list(dots.y) == [-0.6, 0.1, 0.7]
    (residuals,) = diagnostics.band_residuals(bands(), 0.8).data
    assert list(residuals.y) == [0.1, 0.1, -0.05]
    assert list(residuals.error_y.array) == [0.1568, 0.1568, 0.0784]


def test_caterpillar_keeps_each_school_at_its_place_with_its_interval() -> None:
    figure = diagnostics.caterpillar(schools())
    drawn = {
        trace.marker.symbol: (list(trace.x), list(trace.y), list(trace.error_y.arrayminus))
        for trace in figure.data
    }
    assert drawn == {
        "triangle-up": ([4], [0.4], [0.15]),
        "circle": ([2, 3], [-0.05, 0.02], [0.2, 0.12]),
        "triangle-down": ([1], [-0.3], [0.2]),
    }
    low, high = figure.layout.yaxis.range
    assert low == -high and high >= 0.55


def test_funnel_is_that_of_chance_alone() -> None:
    figure = diagnostics.funnel(schools(), 0.8)
    lower, upper, raw, *effects = figure.data
    assert upper.x[0] == 25 and upper.y[0] == pytest.approx(1.959964 * 0.8 / 5, abs=1e-4)
    assert list(lower.y) == [-y for y in upper.y]
    assert list(raw.y) == list(schools()["raw_residual"])
    assert sorted(y for trace in effects for y in trace.y) == list(schools()["effect"])


def test_normal_quantiles_stand_in_order() -> None:
    line, dots = diagnostics.normal_quantiles(schools()).data
    assert list(dots.y) == [-1.4, -0.3, 0.1, 2.2] and list(dots.text) == list(schools()["name"])
    assert list(dots.x) == [-1.1503, -0.3186, 0.3186, 1.1503]
    assert list(line.x) == list(line.y)


def test_models_share_their_axes_and_are_told_by_shape() -> None:
    own = schools()
    figure = diagnostics.models_compared(
        list(own["name"]), own["effect"], {"intake": own["model_low"], "简明": own["model_high"]}
    )
    line, *models = figure.data
    assert [(m.name, m.marker.symbol) for m in models] == [
        ("intake", "circle"),
        ("简明", "diamond"),
    ]
    assert list(models[0].x) == list(own["effect"]) and list(models[1].y) == list(own["model_high"])
    assert figure.layout.xaxis.range == figure.layout.yaxis.range == tuple(line.x)
    same, differ = diagnostics.specification_band(own).data
    assert (list(same.x), list(differ.x)) == ([1, 2, 4], [3])
    assert list(differ.error_y.array) == [0.03] and list(differ.error_y.arrayminus) == [0.07]


def test_probabilities_are_stacked_to_one() -> None:
    below, between, above = diagnostics.band_probabilities(schools()).data
    whole = [sum(ys) for ys in zip(below.y, between.y, above.y, strict=True)]
    assert whole == pytest.approx([1.0] * 4)
    assert below.marker.color != above.marker.color


def test_axes_are_named_by_the_page() -> None:
    figure = diagnostics.labelled(diagnostics.pairs(schools().assign(x=0.1, y=0.2)), "前", "后")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("前", "后")


def test_stacks_hold_every_count_in_the_order_of_statuses() -> None:
    frame = pd.DataFrame(
        [
            {"name": "2 b", "status": "behind", "n": 2},
            {"name": "1 a", "status": "reached", "n": 1},
            {"name": "1 a", "status": "behind", "n": 3},
            {"name": "1 a", "status": "overdue", "n": 0},
        ]
    )
    said = {"reached": "R", "behind": "B", "overdue": "O", "": "hidden"}
    figure = status_stacks(frame, ["1 a", "2 b"], said)
    reached, behind = figure.data
    assert (list(reached.x), list(reached.y), list(reached.hovertext)) == ([1], ["1 a"], ["R 1"])
    assert dict(zip(behind.y, behind.x, strict=True)) == {"2 b": 2, "1 a": 3}
    assert list(figure.layout.yaxis.categoryarray) == ["1 a", "2 b"]
    assert figure.layout.xaxis.range[1] > 4


def test_stacks_of_nothing() -> None:
    empty = pd.DataFrame({"name": [], "status": [], "n": []})
    assert not status_stacks(empty, [], {}).data
