"""A room imports only what its row of the map allows: data flows one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORDS = "pipelines.wording"
MAY_KNOW: dict[str, set[str]] = {
    "pipelines.again": set(),
    "pipelines.data_tests": {"pipelines.settings", "pipelines.warehouse"},
    "pipelines.dbt": {"pipelines.warehouse"},
    "pipelines.parts": {"pipelines.feeds"},
    "pipelines.plan": set(),
    "pipelines.settings": {"pipelines.plan"},
    "pipelines.wording": set(),
    "pipelines.events": set(),
    "pipelines.estimates": {"pipelines.again", "pipelines.evaluation"},
    "pipelines.evaluation": set(),
    "pipelines.feeds": {"pipelines.settings", WORDS},
    "pipelines.intake": {"pipelines.feeds", "pipelines.settings", WORDS},
    "pipelines.life": set(),
    "pipelines.metrics": {"pipelines.settings", WORDS},
    "pipelines.quality": {
        "pipelines.again",
        "pipelines.evaluation",
        "pipelines.feeds",
        WORDS,
    },
    "pipelines.release": {"pipelines.life", "pipelines.metrics", "pipelines.settings", WORDS},
    "pipelines.sample": {"pipelines.feeds"},
    "pipelines.spark": {"pipelines.settings", "pipelines.warehouse", WORDS},
    "pipelines.warehouse": {"pipelines.feeds", "pipelines.plan", "pipelines.settings"},
    "dashboards.analysis": {"dashboards.figures", "dashboards.pages", WORDS},
    "dashboards.chromium": set(),
    "dashboards.figures": {"dashboards.look"},
    "dashboards.look": set(),
    "dashboards.pages": {"dashboards.figures", WORDS},
    "dashboards.shelf": set(),
    "dashboards.site": {
        "dashboards.analysis",
        "dashboards.chromium",
        "dashboards.look",
        "dashboards.pages",
        "dashboards.shelf",
        WORDS,
    },
    "dashboards.gate": {
        "dashboards.look",
        "dashboards.shelf",
        "pipelines.life",
        "pipelines.settings",
        WORDS,
    },
}
"""Room → rooms of the project that it may import; `pipelines.wording` holds the one catalogue."""
JOINING = {
    "build", "cli", "definitions", "doctor", "forget", "kept", "ops", "production", "retention",
    "rosters", "status",
}  # fmt: skip
"""Modules that join the rooms: they know every room's face, and no room knows them."""
HEAVY = {"dagster", "dagster_dbt", "great_expectations", "dbt"}
"""Slow to import, so never at the top of what the command line loads."""


def files(room: str) -> list[Path]:
    place = ROOT / room.replace(".", "/")
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Dotted names that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = str(node.module)
            found |= {f"{module}.{name.name}" for name in node.names}
    return found


def test_every_room_is_on_the_map() -> None:
    found = {
        f"{house}.{entry.stem}"
        for house in ("pipelines", "dashboards")
        for entry in (ROOT / house).iterdir()
        if (entry.suffix == ".py" or (entry / "__init__.py").exists()) and entry.stem[0] != "_"
    }
    assert found == MAY_KNOW.keys() | {f"pipelines.{name}" for name in JOINING}


@pytest.mark.parametrize("room", MAY_KNOW)
def test_a_room_imports_only_what_it_may_know(room: str) -> None:
    for path in files(room):
        for name in imports(path):
            if name.startswith(("pipelines", "dashboards", "bench", "tests")):
                allowed = {room, *MAY_KNOW[room]}
                assert any(name == a or name.startswith(f"{a}.") for a in allowed), (path, name)


@pytest.mark.parametrize("name", ["cli", "build", "status", "doctor"])
def test_the_command_line_loads_fast(name: str) -> None:
    for path in files(f"pipelines.{name}"):
        tops = {imported.partition(".")[0] for imported in imports(path, top_only=True)}
        assert not tops & HEAVY, path
