"""The page of measurements says what the kept results say."""

import ast
import json

from bench.measure import RESULTS, ROOT
from bench.page import AIMS, page


def test_the_page_is_that_of_the_kept_results() -> None:
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == page()


def test_every_aim_is_of_a_step_that_is_measured() -> None:
    for name, step in AIMS:
        source = (ROOT / "bench" / f"{name}.py").read_text(encoding="utf-8")
        texts = " ".join(
            node.value
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        assert step.split(", ")[-1] in texts, (name, step)
        kept = RESULTS / f"{name}.json"
        if kept.exists():
            assert step in {s["step"] for s in json.loads(kept.read_text())["steps"]}
