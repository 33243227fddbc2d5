"""The pages of the site, one file each; this list is the register.

The first page of a unit is where it is met; the order is that of the navigation.
"""

from dataclasses import dataclass

from dashboards.pages import classrooms, district, overview, pass_rate, plan, school, training
from dashboards.pages.base import Download, Page, Published, Unit, View
from pipelines.wording import Lang, translator


def _(msgid: str) -> str:
    """Marks a name for the catalogue; it is translated where it is shown."""
    return msgid


PAGES: tuple[Page, ...] = (
    Page(
        path="index.html",
        name=_("Overview"),
        template="overview.html",
        build=overview.city,
    ),
    Page(
        path="pass-rates.html",
        name=_("Pass rates"),
        template="pass_rate.html",
        build=pass_rate.build,
    ),
    Page(path="plan.html", name=_("The plan"), template="plan.html", build=plan.city),
    Page(
        path="classrooms.html",
        name=_("Classrooms"),
        template="classrooms.html",
        build=classrooms.city,
    ),
    Page(path="training.html", name=_("Training"), template="training.html", build=training.city),
    Page(
        path="district/{code}/index.html",
        name=_("Overview"),
        template="overview.html",
        build=overview.district,
        level="district",
    ),
    Page(
        path="district/{code}/value-added.html",
        name=_("Value added"),
        template="district.html",
        build=district.build,
        level="district",
    ),
    Page(
        path="district/{code}/plan.html",
        name=_("The plan"),
        template="plan.html",
        build=plan.district,
        level="district",
    ),
    Page(
        path="district/{code}/classrooms.html",
        name=_("Classrooms"),
        template="classrooms.html",
        build=classrooms.district,
        level="district",
    ),
    Page(
        path="district/{code}/training.html",
        name=_("Training"),
        template="training.html",
        build=training.district,
        level="district",
    ),
    Page(
        path="school/{code}/index.html",
        name=_("Value added"),
        template="school.html",
        build=school.build,
        level="school",
    ),
)


@dataclass(frozen=True)
class Way:
    """A page of the unit whose page is shown."""

    name: str
    path: str
    here: bool


def ways(page: Page, unit: Unit, lang: Lang) -> list[Way]:
    """The pages of a unit, in order; empty where there is one only."""
    own = [
        Way(translator(lang).gettext(one.name), one.path.format(code=unit.code), one is page)
        for one in PAGES
        if one.level == page.level
    ]
    return own if len(own) > 1 else []


__all__ = ["PAGES", "Download", "Page", "Published", "Unit", "View", "Way", "ways"]
