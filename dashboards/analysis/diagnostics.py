"""A page of figures of one grade and subject: may its value added be believed?"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards.analysis.record import Paper, Record, Wave
from dashboards.figures import diagnostics as draw
from dashboards.figures import effect_dots, effect_range
from dashboards.pages.base import View
from dashboards.pages.sentences import Teller
from pipelines.wording import Lang, count, deviations, measured, p_value, percent, school_year
from pipelines.wording.labels import reason_name, subject_name

LIKELY = 0.9
"""Probability of a band from which a figure's sentence counts a school."""


def paper_name(tell: Teller, paper: Paper) -> str:
    """Grade and subject."""
    grade = tell.words.gettext("Grade %(grade)s") % {"grade": paper.grade}
    return f"{grade} {subject_name(paper.subject, tell.words)}"


class Figures:
    """The figures of one paper: drawn once, then named in each language.

    Args:
        paper: one with an estimate.
        published: name of the published model.
        margin: effect from which a difference matters, in standard deviations.
    """

    def __init__(self, paper: Paper, published: str, margin: float) -> None:
        self.paper, self.published, self.margin = paper, published, margin
        record = paper.schools
        self.spread = math.sqrt(record["variance_student"])
        # By value, since the figure is of the whole; schools are not named beside it.
        schools = paper.units("school").sort_values(["effect", "unit_code"])
        self.schools = schools.rename(columns={"label": "name"})
        self.drawn: dict[str, go.Figure] = {}
        curve = paper.curve
        self.drawn["curve"] = draw.prior_curve(curve)
        self.drawn["bands"] = draw.band_residuals(curve, self.spread)
        self.off = curve["mean_z"] - curve["fitted_mean"]
        self.beyond = self.off.abs() > draw.Z95 * self.spread / np.sqrt(curve["n"])
        if not paper.apart or self.schools.empty:
            return
        total = np.sqrt(record["variance_school"] + record["variance_student"] / self.schools["n"])
        self.schools["residual"] = self.schools["raw_residual"] / total
        self.drawn["caterpillar"] = draw.caterpillar(self.schools)
        self.drawn["normal"] = draw.normal_quantiles(self.schools)
        self.drawn["funnel"] = draw.funnel(self.schools, self.spread)
        self.drawn["probabilities"] = draw.band_probabilities(
            self.schools.rename(
                columns={f"{band}_probability": band for band in ("below", "as_expected", "above")}
            )
        )
        self._compare()
        self._years()
        districts = paper.units("district")
        if len(districts) and (paper.districts or {}).get("variance_district"):
            told = districts.assign(name=districts["label"], mark=None, note="", hover="")
            axis = effect_range([*told["ci_low"], *told["ci_high"]])
            figure = self.drawn["districts"] = effect_dots(told, axis)
            # Room for what the axis is called.
            layout = figure.layout
            layout.update(height=layout.height + 22, margin_b=layout.margin.b + 22)

    def _compare(self) -> None:
        """Other models against the published one, and the range of all."""
        wide = self.paper.by_model.pivot(index="unit_code", columns="model", values="effect")
        own = self.schools.set_index("unit_code")
        self.others = {
            model: wide[model].reindex(own.index)
            for model in (row["model"] for row in self.paper.variants)
            if model != self.published and model in wide
        }
        self.simple = own["simple_effect"]
        if self.others:
            ranged = self.schools.assign(is_same=self.schools["is_same_in_all"].astype(bool))
            self.drawn["range"] = draw.specification_band(ranged)

    def _years(self) -> None:
        """This year's effects against the nearest earlier year's."""
        earlier = self.paper.earlier.rename(columns={"effect": "x"})
        both = self.schools.merge(earlier, on="unit_code").rename(columns={"effect": "y"})
        if len(both):
            self.drawn["years"] = draw.pairs(both)


def view(wave: Wave, figures: Figures, lang: Lang) -> View:
    """The page of one paper in one language."""
    tell = Teller(lang)
    _ = tell.words.gettext
    paper = figures.paper
    name = paper_name(tell, paper)
    panels = []
    shown: dict[str, go.Figure] = {}
    for key, make in PANELS.items():
        panel = make(tell, figures)
        if panel is None:
            continue
        if key == "models":
            shown[key] = _models(tell, figures)
        else:
            shown[key] = figures.drawn[key]
            x, y = panel.pop("axes")
            draw.labelled(shown[key], x, y)
        panels.append({"figure": key, **panel})
    return View(
        _("Value added, diagnostics: %(paper)s") % {"paper": name},
        {
            "wave": wave.name,
            "year": school_year(wave.school_year, lang),
            "name": name,
            "sentences": _summary(tell, figures),
            "panels": panels,
            "wide": [key for key in ("caterpillar", "range", "probabilities") if key in shown],
        },
        shown,
    )


def spread_said(tell: Teller, record: Record) -> str:
    """The standard deviation between schools, with its interval."""
    low, high = record["variance_school_low"], record["variance_school_high"]
    value = math.sqrt(record["variance_school"])
    if low is None or high is None or not math.isfinite(high):
        return deviations(value, tell.lang, signed=False)
    return measured(value, math.sqrt(low), math.sqrt(high), tell.lang)


def differ_said(tell: Teller, record: Record) -> str:
    """Whether schools differ, and no more than the test allows."""
    _ = tell.words.gettext
    values = {"spread": spread_said(tell, record), "p": p_value(record["lr_p"], tell.lang)}
    if record["lr_p"] < 0.05:
        sentence = _(
            "Schools differ: the standard deviation of their true effects is %(spread)s, p of the "
            "likelihood-ratio test %(p)s."
        )
    else:
        sentence = _(
            "That schools differ at all cannot be told from chance: the standard deviation of "
            "their true effects is %(spread)s, p of the likelihood-ratio test %(p)s."
        )
    return sentence % values


def bands(tell: Teller, units: pd.DataFrame) -> str:
    """How many units are in each band."""
    return tell.words.gettext(
        "%(above)s above expected, %(same)s as expected, %(below)s below expected"
    ) % {
        "above": count(int((units["band"] == "above").sum()), tell.lang),
        "same": count(int((units["band"] == "as_expected").sum()), tell.lang),
        "below": count(int((units["band"] == "below").sum()), tell.lang),
    }


def _summary(tell: Teller, figures: Figures) -> list[str]:
    _ = tell.words.gettext
    record = figures.paper.schools
    sentences = [
        _("%(n)s students of %(schools)s schools, %(rate)s of those with a score.")
        % {
            "n": count(record["n"], tell.lang),
            "schools": count(record["schools"], tell.lang),
            "rate": percent(record["match_rate"], record["n"], tell.lang),
        },
        differ_said(tell, record),
    ]
    if not figures.paper.apart:
        sentences.append(
            _("The estimate of the variance between schools is 0: there are no effects to draw.")
        )
    return sentences


Panel = dict[str, Any]


def _panel(title: str, said: str, note: str, x: str = "", y: str = "") -> Panel:
    return {"title": title, "said": said, "note": note, "axes": (x, y)}


def _curve(tell: Teller, figures: Figures) -> Panel:
    _ = tell.words.gettext
    return _panel(
        _("Earlier score and score now"),
        _("The band farthest from the fitted line is %(off)s standard deviations away.")
        % {"off": deviations(figures.off.abs().max(), tell.lang, signed=False)},
        _(
            "Dots: twentieths of the students by earlier score, their means. Line: the mean of "
            "what the model fits to the same students. Where dots leave the line on one side over "
            "a stretch, the model is wrong there."
        ),
        _("Earlier (z)"),
        _("Now (z)"),
    )


def _bands(tell: Teller, figures: Figures) -> Panel:
    _ = tell.words.gettext
    return _panel(
        _("Residuals along the earlier score"),
        _("%(beyond)s of %(bands)s bands lie off the line by more than their bar.")
        % {"beyond": int(figures.beyond.sum()), "bands": len(figures.off)},
        _(
            "Bars: 1.96 standard deviations of students over the root of n. They leave out what "
            "schools have in common, so one or two bands beyond are no alarm; a pattern is."
        ),
        _("Earlier (z)"),
        _("Residual (SD)"),
    )


def _caterpillar(tell: Teller, figures: Figures) -> Panel | None:
    if "caterpillar" not in figures.drawn:
        return None
    _ = tell.words.gettext
    return _panel(
        _("Effects of schools with their intervals"),
        bands(tell, figures.schools),
        _(
            "From the lowest to the highest. Neighbours whose intervals overlap cannot be put in "
            "order; only an interval without 0 says above or below."
        ),
        _("Schools"),
        _("Effect (SD)"),
    )


def _normal(tell: Teller, figures: Figures) -> Panel | None:
    if "normal" not in figures.drawn:
        return None
    _ = tell.words.gettext
    size = figures.schools["residual"].abs()
    return _panel(
        _("Are residuals of schools normal?"),
        _("%(beyond)s of %(schools)s schools lie beyond 1.96; the largest distance is %(most)s.")
        % {
            "beyond": count(int((size > draw.Z95).sum()), tell.lang),
            "schools": count(len(size), tell.lang),
            "most": deviations(size.max(), tell.lang, signed=False),
        },
        _(
            "Each school's mean residual over its standard deviation under the model. On the line "
            "they are normal; ends that bend away are schools that the model does not foresee."
        ),
        _("Expected quantile"),
        _("School's residual"),
    )


def _funnel(tell: Teller, figures: Figures) -> Panel | None:
    if "funnel" not in figures.drawn:
        return None
    _ = tell.words.gettext
    own = figures.schools
    inside = own["raw_residual"].abs() <= draw.Z95 * figures.spread / np.sqrt(own["n"])
    return _panel(
        _("Effect and number of students"),
        _("%(inside)s of %(schools)s schools lie between the dashed curves.")
        % {"inside": count(int(inside.sum()), tell.lang), "schools": count(len(own), tell.lang)},
        _(
            "Hollow: mean residual of the school's students; filled: its effect, drawn towards 0. "
            "Between the dashed curves lies what chance gives where schools do not differ."
        ),
        _("Students fitted"),
        _("Effect (SD)"),
    )


def _years(tell: Teller, figures: Figures) -> Panel | None:
    if "years" not in figures.drawn:
        return None
    _ = tell.words.gettext
    told = next(row for row in figures.paper.years if row["state"] == "estimated")
    year = school_year(told["earlier_year"], tell.lang)
    return _panel(
        _("From year to year"),
        stability_said(tell, told),
        _(
            "Other students sat each year. Where a school stands apart one year and not the next, "
            "its effect is of that year, or chance."
        ),
        _("Effect %(year)s (SD)") % {"year": year},
        _("Effect now (SD)"),
    )


def stability_said(tell: Teller, row: Record) -> str:
    """What is known of the relation to an earlier year's effects."""
    _ = tell.words.gettext
    year = school_year(row["earlier_year"], tell.lang)
    if row["state"] != "estimated":
        return _("No correlation with %(year)s: %(reason)s.") % {
            "year": year,
            "reason": reason_name(row["reason"], tell.words),
        }
    values = {
        "year": year,
        "r": measured(row["correlation"], row["ci_low"], row["ci_high"], tell.lang),
        "n": count(row["n"], tell.lang),
    }
    if row["ci_low"] > 0:
        sentence = _("Effects go with those of %(year)s: correlation %(r)s, %(n)s schools.")
    elif row["ci_high"] < 0:
        sentence = _("Effects go against those of %(year)s: correlation %(r)s, %(n)s schools.")
    else:
        sentence = _(
            "That effects have to do with those of %(year)s cannot be told: correlation %(r)s, "
            "%(n)s schools."
        )
    return sentence % values


def _models(tell: Teller, figures: Figures) -> go.Figure:
    simple = tell.words.gettext("simple")
    return draw.labelled(
        draw.models_compared(
            list(figures.schools["name"]),
            figures.schools["effect"],
            figures.others | {simple: figures.simple},
        ),
        tell.words.gettext("Effect (SD): %(model)s") % {"model": figures.published},
        tell.words.gettext("Effect (SD): other models"),
    )


def _compared(tell: Teller, figures: Figures) -> Panel | None:
    if "caterpillar" not in figures.drawn:
        return None
    _ = tell.words.gettext
    simple = figures.paper.schools["simple_correlation"]
    said = ""
    if simple is not None:
        said = _("Correlation with the simple counterpart: %(r)s.") % {
            "r": deviations(simple, tell.lang, signed=False)
        }
    return _panel(
        _("The same schools under other models"),
        said,
        _(
            "On the line a school's effect is the same. The simple counterpart is not shrunk, so "
            "it lies steeper."
        ),
    )


def _range(tell: Teller, figures: Figures) -> Panel | None:
    if "range" not in figures.drawn:
        return None
    _ = tell.words.gettext
    own = figures.schools
    return _panel(
        _("What hangs on the choice of model"),
        _("%(same)s of %(schools)s schools are in the same band under all %(models)s models.")
        % {
            "same": count(int(own["is_same_in_all"].astype(bool).sum()), tell.lang),
            "schools": count(len(own), tell.lang),
            "models": int(own["models"].max()),
        },
        _("Strokes: from the least to the largest effect over the models. Diamond: bands differ."),
        _("Schools"),
        _("Effect (SD)"),
    )


def _probabilities(tell: Teller, figures: Figures) -> Panel | None:
    if "probabilities" not in figures.drawn:
        return None
    _ = tell.words.gettext
    own = figures.schools
    margin = deviations(figures.margin, tell.lang, signed=False)
    return _panel(
        _("How probable is each band?"),
        _(
            "With a probability of 90%% or more, %(above)s schools are more than %(margin)s above "
            "0 and %(below)s more than %(margin)s below."
        )
        % {
            "above": count(int((own["above_probability"] >= LIKELY).sum()), tell.lang),
            "below": count(int((own["below_probability"] >= LIKELY).sum()), tell.lang),
            "margin": margin,
        },
        _(
            "Orange: the true effect is below −%(margin)s; blue: above %(margin)s; grey: between. "
            "Given the variances as estimated."
        )
        % {"margin": margin},
        _("Schools"),
        _("Probability"),
    )


def _districts(tell: Teller, figures: Figures) -> Panel | None:
    if "districts" not in figures.drawn:
        return None
    _ = tell.words.gettext
    return _panel(
        _("Effects of districts"),
        bands(tell, figures.paper.units("district")),
        _("From the three-level model, in the order of codes."),
        _("Effect (SD)"),
    )


PANELS: dict[str, Callable[[Teller, Figures], Panel | None]] = {
    "curve": _curve,
    "bands": _bands,
    "caterpillar": _caterpillar,
    "normal": _normal,
    "funnel": _funnel,
    "years": _years,
    "models": _compared,
    "range": _range,
    "probabilities": _probabilities,
    "districts": _districts,
}
"""The figures in the order of the page; none where there is nothing to draw."""
