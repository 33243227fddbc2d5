"""The renderer: the pages of a release as plain files."""

from dashboards.site.render import RenderReport, render_site

__all__ = ["RenderReport", "render_site"]
