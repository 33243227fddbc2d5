"""Colours can be read, told apart by everybody and in grey print, and stand in one place."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboards import look
from dashboards.figures import on_paper, stacks, trend_panel
from dashboards.figures.diagnostics import MODELS
from dashboards.figures.effects import COLOURS as BANDS

TREND = pd.DataFrame(
    [
        {"year": "2026–27", "pass_rate": 0.7, "pass_low": 0.6, "pass_high": 0.8}
        | {"pace_rate": None, "mark": "u", "hover": ""}
    ]
)
DASHBOARDS = Path(look.__file__).parent
DOCS = DASHBOARDS.parent / "docs"
SCHEMES = ("light", "dark")

# What is written on what: WCAG 2.2, 1.4.3 asks for 4.5 to 1.
WORDS = [
    *itertools.product(("ink", "soft", "blue", "orange", "grey"), ("paper", "wash")),
    *itertools.product(("on-strong",), ("blue", "orange")),
    *itertools.product(("ink",), ("blue-wash", "orange-wash", "pale", "veil")),
    ("paper", "ink"),
]
# What must be seen to be understood or used, on what it lies: 1.4.11 asks for 3 to 1.
GRAPHICS = [
    *itertools.product(("blue", "orange", "grey", "ink", "edge"), ("paper", "wash")),
]

# Linear RGB to linear RGB of a person who lacks one of the three cones. Machado, Oliveira and
# Fernandes, A physiologically-based model for simulation of color vision deficiency, IEEE
# Transactions on Visualization and Computer Graphics 15(6), 2009: severity 1.0.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TOLD_APART = 15
"""A difference so large (ΔE*ab, CIE 1976) is seen at a glance; 2.3 is the least one seen."""
GREY_APART = 9
"""The same of lightness alone, for neighbours in grey print."""


def linear(hexed: str) -> np.ndarray:
    """Linear RGB of a colour, 0 to 1 (IEC 61966-2-1)."""
    values = np.array([int(hexed[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(hexed: str) -> float:
    return float(linear(hexed) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2: 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, white point D65."""
    xyz = np.array(
        [
            [0.4123908, 0.3575843, 0.1804808],
            [0.2126390, 0.7151687, 0.0721923],
            [0.0193308, 0.1191948, 0.9505322],
        ]
    ) @ np.clip(rgb, 0, 1)
    t = xyz / [0.95047, 1.0, 1.08883]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def value(name: str, scheme: str) -> str:
    found: str = getattr(look.COLOURS[name], scheme)
    return found


def test_known_contrasts_and_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    # White stays white to whoever sees it.
    for matrix in BLINDNESS.values():
        assert matrix @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("pairs", "least"), [(WORDS, 4.5), (GRAPHICS, 3.0)])
def test_contrast(scheme: str, pairs: list[tuple[str, str]], least: float) -> None:
    found = {pair: contrast(value(pair[0], scheme), value(pair[1], scheme)) for pair in pairs}
    assert not {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < least}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("eye", BLINDNESS)
def test_series_and_statuses_are_told_apart_by_every_eye(eye: str, scheme: str) -> None:
    def seen(name: str) -> np.ndarray:
        return lab(BLINDNESS[eye] @ linear(value(name, scheme)))

    fills = [fill for fill, _ink, _edge in stacks.STATUS.values()]
    groups = [named(BANDS.values()), named(colour for colour, _ in MODELS), named(fills)]
    for group in groups:
        assert len(group) == len(set(group)) > 2
        for one, other in itertools.combinations(group, 2):
            apart = float(np.linalg.norm(seen(one) - seen(other)))
            assert apart > (TOLD_APART if group is not groups[2] else 6), (one, other, apart)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_statuses_beside_each_other_are_told_apart_in_grey(scheme: str) -> None:
    fills = named(fill for fill, _ink, _edge in stacks.STATUS.values())
    lightness = [lab(linear(value(fill, scheme)))[0] for fill in fills]
    steps = {
        (one, other): round(abs(a - b))
        for (one, a), (other, b) in itertools.pairwise(zip(fills, lightness, strict=True))
    }
    assert not {pair: step for pair, step in steps.items() if step < GREY_APART}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_written_on_a_status_can_be_read_and_its_edge_be_seen(scheme: str) -> None:
    for fill, ink, edge in stacks.STATUS.values():
        on, words, around = (value(*named([one]), scheme) for one in (fill, ink, edge))
        assert contrast(on, words) >= 4.5
        assert contrast(around, value("paper", scheme)) >= 3


def named(references: object) -> list[str]:
    """The names of colours in figures' words."""
    assert not isinstance(references, str)
    return [one[len("var(--") : -1] for one in references]  # type: ignore[attr-defined]


def written() -> Iterator[tuple[Path, str]]:
    """Whatever may say a colour, apart from the one place."""
    for path in sorted(DASHBOARDS.rglob("*")):
        if path.suffix in {".css", ".js", ".html", ".py"} and not {"vendor", "look.py"} & {
            *path.parts
        }:
            yield path, path.read_text(encoding="utf-8")


def test_no_colour_is_said_twice() -> None:
    colours = re.compile(r"(?<![&\w])#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b|rgba?\([1-9]")
    said = {(path.name, found) for path, text in written() for found in colours.findall(text)}
    assert said == set()
    icon = (DASHBOARDS / "site" / "static" / "icon.svg").read_text(encoding="utf-8")
    assert re.findall(r"#\w{6}", icon) == [look.COLOURS["blue"].light, look.COLOURS["paper"].light]


def test_every_colour_that_is_used_exists_and_every_one_is_used() -> None:
    known = {*look.COLOURS, "font", *(f"text-{name}" for name in look.SIZES)}
    used = {name for _path, text in written() for name in re.findall(r"var\(--([\w-]+)\)", text)}
    used |= {n for _path, text in written() for n in re.findall(r"colour\(\"([\w-]+)\"\)", text)}
    local = {n for _path, text in written() for n in re.findall(r"--([\w-]+)(?=[\"']?[:,] )", text)}
    assert used - local <= known and known <= used


def test_a_colour_that_is_not_there() -> None:
    with pytest.raises(KeyError, match="no colour 'red'; there are paper"):
        look.colour("red")


def test_a_figure_on_paper_says_values() -> None:
    figure = on_paper(trend_panel(TREND, ["2026–27"], (0.6, 0.8)))
    text = str(figure.to_plotly_json())
    assert "var(" not in text
    assert figure.data[0].marker.color == (look.COLOURS["paper"].light,)
    assert figure.data[0].line.color == look.COLOURS["blue"].light
    assert figure.layout.template.layout.font.color == look.COLOURS["ink"].light


def test_the_design_language_tells_every_colour_and_size() -> None:
    text = (DOCS / "design-language.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([\w-]+)` \| `(#\w{6})` \| `(#\w{6})` \|", text, re.M))
    assert told == {(name, own.light, own.dark) for name, own in look.COLOURS.items()}
    sizes = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+)(?: to [\d.]+)? rem \|", text, re.M))
    assert sizes.keys() == look.SIZES.keys()
    for name, size in look.SIZES.items():
        assert float(sizes[name]) == float(re.findall(r"[\d.]+", size)[0]), name


def test_the_pictures_of_the_docs_are_there_and_small() -> None:
    pages = [DOCS / "design-language.md", DOCS / "pages.md"]
    named = {n for p in pages for n in re.findall(r"pictures/([\w.-]+)", p.read_text("utf-8"))}
    kept = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert named == kept.keys()
    assert sum(kept.values()) < 1_500_000
