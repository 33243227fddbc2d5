"""Pure functions from a frame to a Plotly figure; they know no language and no database."""

from dashboards.figures import diagnostics
from dashboards.figures.dots import unit_dots
from dashboards.figures.effects import difference_dots, effect_dots, effect_range
from dashboards.figures.gaps import gap_trend, measure_dots
from dashboards.figures.shares import distribution, share_bars, share_distribution
from dashboards.figures.sparks import spark
from dashboards.figures.stacks import FATE_FILLS, PROGRESS_FILLS, share_stacks, status_stacks
from dashboards.figures.template import on_paper, share_range
from dashboards.figures.trend import trend_panel

__all__ = [
    "FATE_FILLS",
    "PROGRESS_FILLS",
    "diagnostics",
    "difference_dots",
    "distribution",
    "effect_dots",
    "effect_range",
    "gap_trend",
    "measure_dots",
    "on_paper",
    "share_bars",
    "share_distribution",
    "share_range",
    "share_stacks",
    "spark",
    "status_stacks",
    "trend_panel",
    "unit_dots",
]
