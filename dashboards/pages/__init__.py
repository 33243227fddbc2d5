"""The pages of the site, one file each; this list is the register."""

from dashboards.pages import district, pass_rate, plan, school
from dashboards.pages.base import Download, Page, Published, Unit, View

PAGES: tuple[Page, ...] = (
    Page(path="index.html", template="pass_rate.html", build=pass_rate.build),
    Page(
        path="district/{code}/index.html",
        template="district.html",
        build=district.build,
        level="district",
    ),
    Page(path="plan.html", template="plan.html", build=plan.city),
    Page(
        path="district/{code}/plan.html",
        template="plan.html",
        build=plan.district,
        level="district",
    ),
    Page(
        path="school/{code}/index.html",
        template="school.html",
        build=school.build,
        level="school",
    ),
)

__all__ = ["PAGES", "Download", "Page", "Published", "Unit", "View"]
