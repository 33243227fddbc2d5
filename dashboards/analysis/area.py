"""The pages of the analyst area, one after another, in every language."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import duckdb

from dashboards.analysis import diagnostics, note
from dashboards.analysis.record import Wave, contents, read, software
from dashboards.pages.base import View
from dashboards.pages.sentences import Teller
from pipelines.wording import LANGUAGES, Lang, school_year
from pipelines.wording.labels import subject_name


@dataclass(frozen=True)
class Sheet:
    """A page: where it lies within its language's folder, its language, template and view."""

    path: str
    lang: Lang
    template: str
    view: View


@dataclass(frozen=True)
class Part:
    """Pages that are drawn from one record and lie in one folder."""

    folder: str
    """Within each language's folder; empty for the contents."""
    digest: str
    """Of all that its pages tell: parts of one digest have the same pages, under the same code."""
    sheets: Callable[[], Iterator[Sheet]]
    """Draws the pages. Figures of a paper are shared between its languages: use up a sheet before
    asking for the next."""


def parts(warehouse: duckdb.DuckDBPyConnection, rules: note.Rules) -> list[Part]:
    """The contents; and of each wave its note, and figures of each grade and subject with effects.

    Args:
        warehouse: a connection to the sealed warehouse.
        rules: the settings of value added.
    """
    waves, made_with = read(warehouse), software(warehouse)
    lists = {lang: _list(waves, lang) for lang in LANGUAGES}
    return [
        Part("", _digest(lists), partial(_front, lists)),
        *(
            Part(
                wave.folder,
                _digest([asdict(rules), contents(wave), made_with]),
                partial(_drawn, wave, rules, made_with),
            )
            for wave in waves
        ),
    ]


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _front(lists: dict[Lang, list[dict[str, Any]]]) -> Iterator[Sheet]:
    for lang, waves in lists.items():
        title = Teller(lang).words.gettext("For analysts")
        yield Sheet("index.html", lang, "analysis.html", View(title, {"waves": waves}))


def _drawn(wave: Wave, rules: note.Rules, made_with: str) -> Iterator[Sheet]:
    for lang in LANGUAGES:
        path = f"{wave.folder}/note.html"
        view = note.view(wave, rules, made_with, lang)
        yield Sheet(path, lang, "note.html", _led(view, wave, lang))
    for paper in wave.papers:
        if not paper.estimated:
            continue
        figures = diagnostics.Figures(paper, rules.published, rules.margin)
        for lang in LANGUAGES:
            view = diagnostics.view(wave, figures, lang)
            path = f"{wave.folder}/{paper.page}"
            yield Sheet(path, lang, "diagnostics.html", _led(view, wave, lang, paper.page))


def _led(view: View, wave: Wave, lang: Lang, here: str = "") -> View:
    """A view with the links of its wave."""
    return replace(view, context={**view.context, "grades": _grades(wave, lang), "here": here})


def _list(waves: list[Wave], lang: Lang) -> list[dict[str, Any]]:
    return [
        {
            "name": wave.name,
            "year": school_year(wave.school_year, lang),
            "folder": wave.folder,
            "grades": _grades(wave, lang),
        }
        for wave in waves
    ]


def _grades(wave: Wave, lang: Lang) -> list[tuple[str, list[tuple[str, str]]]]:
    """Grades with an estimate: name, and of each subject the name and the page."""
    tell = Teller(lang)
    found: dict[int, list[tuple[str, str]]] = {}
    for paper in wave.papers:
        if paper.estimated:
            name = subject_name(paper.subject, tell.words)
            found.setdefault(paper.grade, []).append((name, paper.page))
    heading = tell.words.gettext("Grade %(grade)s")
    return [(heading % {"grade": grade}, links) for grade, links in found.items()]
