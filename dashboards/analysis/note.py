"""The technical note of a wave: what was fitted, on whom, how sure it is, how not to read it.

Every sentence and every number of it comes from the record in `marts`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.analysis.diagnostics import paper_name, spread_said, stability_said
from dashboards.analysis.record import Paper, Record, Wave
from dashboards.figures.diagnostics import Z95
from dashboards.pages.base import View
from dashboards.pages.marks import NOT_APPLICABLE, legend
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from pipelines.wording import Lang, count, deviations, measured, p_value, percent, school_year
from pipelines.wording.labels import reason_name, term_name

BANDS = ("above", "as_expected", "below")
INTAKE, SUBSIDISED = "intake", "subsidised_share"


@dataclass(frozen=True)
class Rules:
    """The settings that the note speaks of, as they entered the release."""

    published: str
    """Name of the published model."""
    terms: tuple[str, ...]
    """Its terms beside earlier scores."""
    models: tuple[str, ...]
    """Names of all models."""
    prior_months: tuple[int, int]
    fewest: int
    """A unit with fewer matched students gets no effect."""
    match: float
    """Match rate below which results are marked."""
    margin: float
    """Effect from which a difference matters."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Rules":
        """Out of the settings by name, as a release records them."""
        models = settings["value_added_models"]
        published = next(iter(models))
        months = settings["prior_months"]
        return cls(
            published=published,
            terms=tuple(models[published]),
            models=tuple(models),
            prior_months=(months["least"], months["most"]),
            fewest=settings["value_added_students"],
            match=settings["value_added_match"],
            margin=settings["value_added_margin"],
        )


@dataclass(frozen=True)
class Table:
    """A table of the note: one line a paper."""

    name: str
    caption: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]


NOTHING = Cell(mark=NOT_APPLICABLE)


def view(wave: Wave, rules: Rules, made_with: str, lang: Lang) -> View:
    """The note of one wave in one language; `made_with` says of which software it is."""
    tell = Teller(lang)
    _ = tell.words.gettext
    told = [paper for paper in wave.papers if paper.estimated]
    return View(
        _("Value added, technical note: %(year)s") % {"year": school_year(wave.school_year, lang)},
        {
            "wave": wave.name,
            "sentences": _summary(tell, wave.papers, told),
            "formula": _formula(tell, rules),
            "fitted": _fitted(tell, rules, told, made_with),
            "coefficients": _coefficients(tell, told),
            "whom": _whom(tell, rules, told),
            "students": _students(tell, told),
            "sure": _sure(tell, told),
            "certainty": _certainty(tell, told),
            "checked": _checked(tell, rules, told),
            "checks": _checks(tell, rules, told),
            "careful": _careful(tell, told),
            "absent": _absent(tell, wave.papers),
            "marks": [(NOT_APPLICABLE, legend(tell.words)[NOT_APPLICABLE])],
        },
    )


def _names(tell: Teller, papers: Iterable[Paper]) -> str:
    """Papers by name, in one enumeration."""
    return _joined(tell, (paper_name(tell, paper) for paper in papers))


def _which(tell: Teller, papers: Sequence[Paper], told: Sequence[Paper]) -> str:
    """Papers by name, or that they are all."""
    return tell.words.gettext("all") if len(papers) == len(told) else _names(tell, papers)


def _joined(tell: Teller, words: Iterable[str]) -> str:
    return ("、" if tell.lang == "zh" else ", ").join(words)


def _summary(tell: Teller, papers: Sequence[Paper], told: Sequence[Paper]) -> list[str]:
    _ = tell.words.gettext
    if not told:
        return [_("No grade and subject of this wave has value added; the reasons stand below.")]
    differ = [paper for paper in told if paper.schools["lr_p"] < 0.05]
    return [
        _("%(told)s of %(all)s grades and subjects have value added of schools.")
        % {"told": count(len(told), tell.lang), "all": count(len(papers), tell.lang)},
        _("In %(differ)s of these, schools differ by more than chance would have it.")
        % {"differ": count(len(differ), tell.lang)},
    ]


# --- what was fitted -----------------------------------------------------------------------------


def _formula(tell: Teller, rules: Rules) -> str:
    """The model in words."""
    _ = tell.words.gettext
    terms = ["prior_z", "prior_squared", "others", "no_others", *rules.terms]
    named = [term_name(term, tell.words) for term in terms]
    plus = " + "
    return _("score now = constant + %(terms)s + school + student") % {
        "terms": plus.join(f"b{i} × {name}" for i, name in enumerate(named, start=1))
    }


def _fitted(tell: Teller, rules: Rules, told: Sequence[Paper], made_with: str) -> list[str]:
    _ = tell.words.gettext
    low, high = rules.prior_months
    sentences = [
        _(
            "Scores are z within wave, grade and subject. The earlier score is that of the latest "
            "wave held %(low)s to %(high)s months before."
        )
        % {"low": low, "high": high},
        _(
            "School and student are normal, with variances estimated by REML; a school's effect is "
            "its empirical Bayes estimate, which draws small schools towards 0. District effects "
            "come from the same model with districts as a third level."
        ),
    ]
    before: dict[tuple[str, ...], list[Paper]] = {}
    for paper in told:
        before.setdefault(paper.prior_waves, []).append(paper)
    for waves, papers in before.items():
        sentences.append(
            _("Earlier scores are of %(waves)s (%(papers)s).")
            % {"waves": _joined(tell, waves), "papers": _which(tell, papers, told)}
        )
    dropped: dict[str, list[Paper]] = {}
    for paper in told:
        for term in paper.schools["dropped"]:
            dropped.setdefault(term, []).append(paper)
    for term, papers in dropped.items():
        sentence = _("Dropped, since it does not vary or repeats others: %(term)s (%(papers)s).")
        papers_said = _which(tell, papers, told)
        sentences.append(sentence % {"term": term_name(term, tell.words), "papers": papers_said})
    others = [model for model in rules.models if model != rules.published]
    if others:
        sentences.append(
            _("Fitted beside it to see what hangs on the terms: %(models)s.")
            % {"models": _joined(tell, others)}
        )
    return [*sentences, _("Made with %(software)s.") % {"software": made_with}]


def _coefficients(tell: Teller, told: Sequence[Paper]) -> Table | None:
    _ = tell.words.gettext
    terms = list(dict.fromkeys(term for paper in told for term in paper.schools["terms"]))

    def cell(record: Record, term: str) -> Cell:
        if term not in record["terms"]:
            return NOTHING
        at = record["terms"].index(term)
        value, half = record["coefficients"][at], Z95 * record["standard_errors"][at]
        return Cell(measured(value, value - half, value + half, tell.lang))

    return _table(
        "coefficients",
        _("Coefficients with 95% intervals"),
        [term_name(term, tell.words) for term in terms],
        [
            (paper_name(tell, paper), [cell(paper.schools, term) for term in terms])
            for paper in told
        ],
    )


# --- on whom -------------------------------------------------------------------------------------


def _present(paper: Paper) -> int:
    schools = paper.effects[paper.effects["level"] == "school"]
    return int(schools["present"].sum())


def _without(paper: Paper) -> int:
    """Schools with scores that have no effect."""
    schools = paper.effects[paper.effects["level"] == "school"]
    return int(schools["effect"].isna().sum())


def _whom(tell: Teller, rules: Rules, told: Sequence[Paper]) -> list[str]:
    _ = tell.words.gettext
    if not told:
        return []
    sentences = [
        _(
            "Left out is who has a score now and no earlier one: newcomers to the city, the absent "
            "of the earlier wave, numbers that do not match. They may differ from those who stay."
        ),
        _("A school with fewer than %(n)s students left has no effect of its own.")
        % {"n": rules.fewest},
    ]
    low = [paper for paper in told if paper.schools["match_rate"] < rules.match]
    if low:
        sentences.append(
            _("Fewer than %(rate)s have an earlier score in: %(papers)s. Please read with care.")
            % {"rate": percent(rules.match, 1, tell.lang), "papers": _names(tell, low)}
        )
    return sentences


def _students(tell: Teller, told: Sequence[Paper]) -> Table | None:
    _ = tell.words.gettext

    def cells(paper: Paper) -> list[Cell]:
        record, present = paper.schools, _present(paper)
        numbers = [present, record["n"], present - record["n"], record["schools"], _without(paper)]
        said = [Cell(count(int(number), tell.lang)) for number in numbers]
        rate = Cell(percent(record["match_rate"], present, tell.lang))
        return [*said[:2], rate, *said[2:]]

    return _table(
        "students",
        _("Students and schools"),
        [
            _("With a score"),
            _("Fitted"),
            _("Match rate"),
            _("Left out"),
            _("Schools fitted"),
            _("Schools without an effect"),
        ],
        [(paper_name(tell, paper), cells(paper)) for paper in told],
    )


# --- how sure ------------------------------------------------------------------------------------


def _sure(tell: Teller, told: Sequence[Paper]) -> list[str]:
    _ = tell.words.gettext
    unsure = [paper for paper in told if paper.schools["lr_p"] >= 0.05]
    if not told:
        return []
    sentences = [
        _(
            "Reliability is the share of what effects differ by that is not chance; an effect of "
            "reliability 0.5 is half the school's mean residual."
        )
    ]
    if unsure:
        sentences.append(
            _("That schools differ at all cannot be told from chance in: %(papers)s.")
            % {"papers": _names(tell, unsure)}
        )
    return sentences


def _certainty(tell: Teller, told: Sequence[Paper]) -> Table | None:
    _ = tell.words.gettext

    def cells(paper: Paper) -> list[Cell]:
        record, schools = paper.schools, paper.units("school")
        # No number where every school has too few students to be told an effect.
        reliability = schools["reliability"].median()
        return [
            Cell(spread_said(tell, record)),
            Cell(deviations(math.sqrt(record["variance_student"]), tell.lang, signed=False)),
            Cell(percent(record["icc"], 1, tell.lang)),
            Cell(percent(record["r_squared"], 1, tell.lang)),
            Cell(p_value(record["lr_p"], tell.lang)),
            Cell(deviations(reliability, tell.lang, signed=False))
            if paper.apart and math.isfinite(reliability)
            else NOTHING,
            Cell(
                " / ".join(count(int((schools["band"] == band).sum()), tell.lang) for band in BANDS)
            )
            if paper.apart
            else Cell(_("no difference found")),
        ]

    return _table(
        "certainty",
        _("Variances, test and bands"),
        [
            _("SD between schools (95% interval)"),
            _("SD of students"),
            _("Share between schools"),
            _("Explained by the terms"),
            _("p (no school effect)"),
            _("Median reliability"),
            _("Schools above / as expected / below"),
        ],
        [(paper_name(tell, paper), cells(paper)) for paper in told],
    )


# --- what the checks say -------------------------------------------------------------------------


def fairness(paper: Paper, published: str, characteristic: str) -> Record | None:
    """The published model's row of a characteristic."""
    return next(
        (
            row
            for row in paper.fairness
            if row["model"] == published and row["characteristic"] == characteristic
        ),
        None,
    )


def _beyond(row: Record | None) -> bool:
    """Whether an interval of a correlation leaves out 0."""
    told = row is not None and row["state"] == "estimated"
    return told and (row["ci_low"] > 0 or row["ci_high"] < 0)  # type: ignore[index]


def _checked(tell: Teller, rules: Rules, told: Sequence[Paper]) -> list[str]:
    _ = tell.words.gettext
    sentences = []
    for characteristic, sentence, none in (
        (
            INTAKE,
            _("Effects are related to the mean earlier score of the school in: %(papers)s."),
            _("No relation of effects with the mean earlier score of the school can be told."),
        ),
        (
            SUBSIDISED,
            _("Effects are related to the share of subsidised students in: %(papers)s."),
            _("No relation of effects with the share of subsidised students can be told."),
        ),
    ):
        rows = [(paper, fairness(paper, rules.published, characteristic)) for paper in told]
        beyond = [paper for paper, row in rows if _beyond(row)]
        if beyond:
            sentences.append(sentence % {"papers": _names(tell, beyond)})
        elif any(row is not None and row["state"] == "estimated" for _paper, row in rows):
            sentences.append(none)
    for paper in told:
        if paper.years:
            near = next((row for row in paper.years if row["state"] == "estimated"), paper.years[0])
            sentences.append(tell.headed(paper_name(tell, paper), stability_said(tell, near)))
    return sentences


def _checks(tell: Teller, rules: Rules, told: Sequence[Paper]) -> Table | None:
    _ = tell.words.gettext

    def correlation(row: Record | None) -> Cell:
        if row is None:
            return NOTHING
        if row["state"] != "estimated":
            return Cell("—", reason_name(row["reason"], tell.words))
        return Cell(measured(row["correlation"], row["ci_low"], row["ci_high"], tell.lang))

    def share(paper: Paper, column: str) -> Cell:
        schools = paper.units("school")
        known = schools[column].dropna().astype(bool)
        if not paper.apart or known.empty:
            return NOTHING
        return Cell(
            _("%(part)s of %(all)s")
            % {
                "part": count(int(known.sum()), tell.lang),
                "all": count(len(known), tell.lang),
            }
        )

    def simple(paper: Paper) -> Cell:
        value = paper.schools["simple_correlation"]
        return NOTHING if value is None else Cell(deviations(value, tell.lang, signed=False))

    def error(paper: Paper) -> Cell:
        row = paper.error
        if row is None:
            return NOTHING
        if row["state"] != "estimated":
            return Cell("—", reason_name(row["reason"], tell.words))
        return Cell(
            _("%(part)s of %(all)s")
            % {
                "part": count(row["bands_changed"], tell.lang),
                "all": count(row["schools"], tell.lang),
            },
            _("alpha %(alpha)s") % {"alpha": deviations(row["alpha"], tell.lang, signed=False)},
        )

    def growth(paper: Paper) -> Cell:
        used = [row for row in paper.growth if row["state"] == "estimated" and row["used"]]
        if used:
            worst = max(used, key=lambda row: float(row["furthest"] - row["by_chance"]))
            limit = percent(worst["by_chance"], 100, tell.lang)
            return Cell(
                percent(worst["furthest"], 100, tell.lang),
                _("by chance up to %(limit)s") % {"limit": limit},
            )
        if not paper.growth:
            return NOTHING
        return Cell("—", reason_name(paper.growth[0]["reason"], tell.words))

    return _table(
        "checks",
        _("Checks"),
        [
            _("With the mean earlier score (95% interval)"),
            _("With the share of subsidised (95% interval)"),
            _("With the simple counterpart"),
            _("Same band under all models"),
            _("Band hangs on one student"),
            _("Band hangs on those left out"),
            _("Band changed by correcting the earlier score's error"),
            _("Growth percentiles: farthest quantile"),
        ],
        [
            (
                paper_name(tell, paper),
                [
                    correlation(fairness(paper, rules.published, INTAKE)),
                    correlation(fairness(paper, rules.published, SUBSIDISED)),
                    simple(paper),
                    share(paper, "is_same_in_all"),
                    share(paper, "one_less_turns"),
                    share(paper, "missing_turns"),
                    error(paper),
                    growth(paper),
                ],
            )
            for paper in told
        ],
    )


# --- how not to read it --------------------------------------------------------------------------


def _careful(tell: Teller, told: Sequence[Paper]) -> list[str]:
    _ = tell.words.gettext
    if not told:
        return []
    return [
        _(
            "Not as cause: what differs between schools besides teaching and is not in the terms, "
            "such as support at home, is in the effect too."
        ),
        _(
            "Not as an order of schools: neighbours cannot be told apart. Only an interval without "
            "0 says above or below, and where no school differed one in twenty would still be "
            "called so."
        ),
        _(
            "Not as progress: effects are relative to the city, whose mean is 0 in every wave, "
            "whether all have learnt more or less."
        ),
        _("Not as the pass rate, and not for appraisal by the figures of one year alone."),
        _(
            "Intervals and probabilities are given the variances as estimated; with few schools "
            "these are uncertain themselves."
        ),
    ]


def _absent(tell: Teller, papers: Sequence[Paper]) -> list[str]:
    """Papers without an estimate, by reason."""
    by_reason: dict[str, list[Paper]] = {}
    districts: dict[str, list[Paper]] = {}
    for paper in papers:
        if not paper.estimated:
            by_reason.setdefault(paper.schools["reason"] or "", []).append(paper)
        elif paper.districts and paper.districts["state"] != "estimated":
            districts.setdefault(paper.districts["reason"] or "", []).append(paper)
    _ = tell.words.gettext
    return [
        _("No value added, since %(reason)s: %(papers)s.")
        % {"reason": reason_name(reason, tell.words), "papers": _names(tell, own)}
        for reason, own in by_reason.items()
    ] + [
        _("Schools only, no districts, since %(reason)s: %(papers)s.")
        % {"reason": reason_name(reason, tell.words), "papers": _names(tell, own)}
        for reason, own in districts.items()
    ]


def _table(
    name: str, caption: str, heads: Sequence[str], lines: Sequence[tuple[str, Sequence[Cell]]]
) -> Table | None:
    if not lines:
        return None
    return Table(name, caption, tuple(heads), tuple((head, tuple(own)) for head, own in lines))
