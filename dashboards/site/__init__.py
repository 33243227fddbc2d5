"""The renderer: the pages of a release, and its analyst area, as plain files."""

from dashboards.analysis import Rules
from dashboards.site.render import RenderReport, render_analysis, render_site

__all__ = ["RenderReport", "Rules", "render_analysis", "render_site"]
