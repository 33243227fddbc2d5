"""Runs the cells of a notebook in this process and keeps what they answer in its file.

    .venv/bin/python notebooks/run.py notebooks/star.ipynb

Figures are kept as pictures, drawn by Chromium with the vendored Plotly, so that the notebook reads
wherever the file is shown. In Jupyter the same cells run as they stand.
"""

import ast
import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import chromium

PLOTLY = next(
    (Path(__file__).parents[1] / "dashboards/site/static/vendor").glob("plotly-basic-*.min.js")
)
WIDTH = 860


def execute(notebook: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any, dict[str, Any]]]:
    """Each code cell with the value of its last expression, and the names known by then."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]), f"cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        yield cell, value, names


def pictures(figures: list[go.Figure]) -> list[bytes]:
    """PNG of each figure."""
    found = []
    with chromium.opened() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 800})
        for figure in figures:
            size = f"width:{WIDTH}px;height:{figure.layout.height}px"
            page.set_content(f"<body style='margin:0'><div id='f' style='{size}'></div>")
            page.add_script_tag(path=PLOTLY)
            page.evaluate(
                "figure => Plotly.newPlot('f', figure.data, figure.layout, {staticPlot: true})",
                json.loads(figure.to_json(engine="json")),
            )
            found.append(page.locator("#f").screenshot())
        browser.close()
    return found


def main(path: Path) -> None:
    """Run the notebook of a file and write its outputs into it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    answers = [(cell, value) for cell, value, _names in execute(notebook)]
    figures = [value for _cell, value in answers if isinstance(value, go.Figure)]
    drawn = iter(pictures(figures))
    for count, (cell, value) in enumerate(answers, start=1):
        cell["execution_count"] = count
        cell["outputs"] = []
        if value is None:
            continue
        if isinstance(value, go.Figure):
            data = {"image/png": base64.b64encode(next(drawn)).decode()}
        elif isinstance(value, pd.DataFrame):
            data = {"text/html": value.to_html(), "text/plain": value.to_string()}
        else:
            data = {"text/plain": repr(value)}
        cell["outputs"] = [
            {
                "output_type": "execute_result",
                "execution_count": count,
                "metadata": {},
                "data": data,
            }
        ]
    text = json.dumps(notebook, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
