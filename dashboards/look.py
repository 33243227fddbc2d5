"""Colours and type, once: styles of the pages and of the gate, and the figures, are made of them.

A colour is known by what it is for. In a figure it stands as `var(--blue)`, the name that the style
sheet gives it; the page's script puts the value of the reader's scheme in its place when it draws.
So a figure follows light, dark and paper without knowing of them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """A colour in the light and in the dark scheme; paper is always light."""

    light: str
    dark: str


COLOURS: dict[str, Colour] = {
    # What is written and drawn on.
    "paper": Colour("#ffffff", "#14191f"),
    "wash": Colour("#f4f7fa", "#1d242c"),
    # Words.
    "ink": Colour("#1c2733", "#e4e9ee"),
    "soft": Colour("#55616b", "#a9b4be"),
    # Lines: between things, around controls, behind figures.
    "line": Colour("#d5dce3", "#38434d"),
    "edge": Colour("#7c8892", "#7f8b96"),
    "grid": Colour("#e3e8ed", "#2a333c"),
    # The pair that carries meaning, what stands between them, and words on either.
    "blue": Colour("#1f5fa8", "#7db1ec"),
    "orange": Colour("#b25900", "#f2a65a"),
    "grey": Colour("#5b6770", "#9aa6b0"),
    "on-strong": Colour("#ffffff", "#10151a"),
    # Fills under words: the pair at half strength, and two that say nothing yet.
    "blue-wash": Colour("#bcd6f0", "#21456c"),
    "orange-wash": Colour("#e8a55f", "#8a4f10"),
    "pale": Colour("#dce3ea", "#2d3741"),
    "veil": Colour("#bcc6cf", "#4a5661"),
}
"""Name → colour. Tests hold contrast, colour blindness and grey print."""

FONTS = ",".join(
    [
        '"Noto Sans SC"',
        '"Noto Sans CJK SC"',  # the same, as Debian names it
        '"Source Han Sans SC"',
        '"PingFang SC"',
        '"Microsoft YaHei"',
        "sans-serif",
    ]
)
"""The Chinese font first: its quotation marks would be set narrow otherwise."""

SIZES: dict[str, str] = {
    "small": ".84rem",
    "note": ".92rem",
    "body": "1rem",
    "said": "1.06rem",
    "h3": "1.12rem",
    "h2": "1.32rem",
    "h1": "clamp(1.45rem, 1.1rem + 1.6vw, 2.1rem)",
    "number": "1.9rem",
}
"""The scale of type: from the second line of a cell to the number that a leader reads."""

TICK, LABEL, HOVER = 11, 12, 13
"""Sizes of type in figures, in pixels."""


def colour(name: str) -> str:
    """A colour as figures and styles name it."""
    if name not in COLOURS:
        raise KeyError(f"no colour {name!r}; there are {', '.join(COLOURS)}")
    return f"var(--{name})"


def style_sheet() -> str:
    """The custom properties that style sheets use; dark on screens whose reader asks for it.

    `data-paper` on the root makes a screen as light as paper, for as long as something is printed
    or drawn for a document.
    """
    fonts = {"font": FONTS} | {f"text-{name}": size for name, size in SIZES.items()}
    light = {name: own.light for name, own in COLOURS.items()}
    dark = {name: own.dark for name, own in COLOURS.items()}
    return (
        f":root {{ color-scheme: light; {_declared(light | fonts)} }}\n"
        "@media screen and (prefers-color-scheme: dark) {\n"
        f"  :root:not([data-paper]) {{ color-scheme: dark; {_declared(dark)} }}\n"
        "}\n"
    )


def _declared(values: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in values.items())
