"""The pages of the site, one file each; this list is the register.

The first page of a unit is where it is met; the order is that of the navigation.
"""

from dataclasses import dataclass

from dashboards.pages import (
    classrooms,
    competencies,
    equity,
    methods,
    overview,
    pass_rate,
    plan,
    submissions,
    training,
    value_added,
)
from dashboards.pages.base import Build, Download, Page, Published, Unit, View
from pipelines.wording import Lang, translator


def _(msgid: str) -> str:
    """Marks a name for the catalogue; it is translated where it is shown."""
    return msgid


def _of_city_and_districts(path: str, name: str, template: str, build: Build) -> tuple[Page, Page]:
    """A page that the city has, and each district."""
    return (
        Page(path, name, template, build),
        Page(f"district/{{code}}/{path}", name, template, build, "district"),
    )


def _of_all(path: str, name: str, template: str, build: Build) -> tuple[Page, Page, Page]:
    """A page that the city has, each district and each school."""
    return (
        *_of_city_and_districts(path, name, template, build),
        Page(f"school/{{code}}/{path}", name, template, build, "school"),
    )


PAGES: tuple[Page, ...] = (
    *_of_all("index.html", _("Overview"), "overview.html", overview.build),
    Page("pass-rates.html", _("Pass rates"), "pass_rate.html", pass_rate.build),
    Page(
        "district/{code}/value-added.html",
        _("Value added"),
        "value_added.html",
        value_added.build,
        "district",
    ),
    *_of_city_and_districts("equity.html", _("Equity"), "equity.html", equity.build),
    *_of_city_and_districts(
        "competencies.html", _("Competencies"), "competencies.html", competencies.build
    ),
    *_of_city_and_districts("plan.html", _("The plan"), "plan.html", plan.build),
    *_of_city_and_districts(
        "classrooms.html", _("Classrooms"), "classrooms.html", classrooms.build
    ),
    *_of_city_and_districts("training.html", _("Training"), "training.html", training.build),
    Page(
        "school/{code}/value-added.html",
        _("Value added"),
        "value_added.html",
        value_added.build,
        "school",
    ),
    Page(
        "school/{code}/competencies.html",
        _("Competencies"),
        "competencies.html",
        competencies.build,
        "school",
    ),
    *_of_all("submissions.html", _("Submissions"), "submissions.html", submissions.build),
    Page("methods.html", _("Methods and data"), "methods.html", methods.build, everybody=True),
)


@dataclass(frozen=True)
class Way:
    """A page of the unit whose page is shown."""

    name: str
    path: str
    here: bool


def ways(page: Page, unit: Unit, lang: Lang) -> list[Way]:
    """The pages of a unit, in order; empty where there is one only.

    From a page that is everybody's it is not known whose pages there are: the gate knows.
    """
    if page.everybody:
        front = Way(translator(lang).gettext("Front page"), "index.html", here=False)
        return [front, Way(translator(lang).gettext(page.name), page.path, here=True)]
    own = [
        Way(translator(lang).gettext(one.name), one.path.format(code=unit.code), one is page)
        for one in PAGES
        if one.level == page.level or one.everybody
    ]
    return own if len(own) > 1 else []


__all__ = ["PAGES", "Download", "Page", "Published", "Unit", "View", "Way", "ways"]
