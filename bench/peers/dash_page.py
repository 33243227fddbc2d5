"""The city's pass rates as a Dash app, for `bench.gate`: the same figures and tables, out of Dash.

Dash is no part of the project's environment: install it into a folder of its own and name that in
PYTHONPATH. `DASH_LAYOUT=once` makes the layout when the app starts, which is as kind as can be;
`each` asks the warehouse and makes the figures at each request, as an app does that is to follow
its data.
"""

import os
from typing import Any

import dash
import duckdb
from dash import dcc, html

from bench.gate import PAGE
from dashboards.pages import PAGES, Published, Unit
from pipelines.settings import Settings

SETTINGS = Settings.load()


def layout() -> Any:
    """The page: headline, figures and tables."""
    (page,) = (page for page in PAGES if page.path == PAGE)
    unit = Unit(SETTINGS.unit_code, SETTINGS.unit_name_zh, SETTINGS.unit_name_en)
    warehouse = str(SETTINGS.current.resolve() / "warehouse.duckdb")
    with duckdb.connect(warehouse, read_only=True) as connection:
        view = page.build(Published(connection), unit, "zh")
    tables = [
        html.Table(
            [html.Thead(html.Tr([html.Th(column) for column in table.columns]))]
            + [
                html.Tr([html.Td(str(row[column] or "")) for column in table.columns])
                for row in table.rows
            ]
        )
        for table in view.downloads
    ]
    graphs = [dcc.Graph(figure=figure) for figure in view.figures.values()]
    return html.Div([html.H1(str(view.context["headline"])), *graphs, *tables])


app = dash.Dash(__name__)
app.layout = layout() if os.environ.get("DASH_LAYOUT", "once") == "once" else layout
application = app.server
