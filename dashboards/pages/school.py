"""A school: does it lift its students beyond where they started?"""

from typing import Any

import plotly.graph_objects as go

from dashboards.pages.base import Download, Published, Unit, View
from dashboards.pages.marks import legend
from dashboards.pages.sentences import Teller
from dashboards.pages.value_added import section
from pipelines.wording import Lang


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for one school, in one language: itself, and no other school."""
    tell = Teller(lang)
    figures: dict[str, go.Figure] = {}
    downloads: list[Download] = []
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "added": section(tell, published, unit, "school", figures, downloads),
        "marks": legend(tell.words).items(),
    }
    return View(tell.words.gettext("Value added of the school"), context, figures, downloads)
