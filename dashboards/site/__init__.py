"""The renderer: the pages of a release, its analyst area and reports, as plain files."""

from dashboards.analysis import Rules
from dashboards.site.render import RenderReport, render_analysis, render_site
from dashboards.site.report import NoPrinter, NoSuchSchool, ReportError, write_reports

__all__ = [
    "NoPrinter",
    "NoSuchSchool",
    "RenderReport",
    "ReportError",
    "Rules",
    "render_analysis",
    "render_site",
    "write_reports",
]
