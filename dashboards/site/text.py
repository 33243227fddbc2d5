"""The text of a page.

Nothing that a clock or a path gives enters it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboards.look import style_sheet
from dashboards.pages import View
from dashboards.site.take import workbook_name
from pipelines.wording import LANGUAGES, Lang, translator

HERE = Path(__file__).parent
STATIC = HERE / "static"
TEMPLATES = HERE / "templates"

PLOTLY = "vendor/plotly-basic-4.1.1.min.js"
SCRIPTS: dict[Lang, tuple[str, ...]] = {
    "zh": ("page.js", PLOTLY, "vendor/plotly-locale-zh-cn-3.7.0.js"),
    "en": ("page.js", PLOTLY),
}
"""Scripts of a page, in the order of loading: the others only draw."""

STYLES = ("page.css",)

LANGUAGE_TAGS: dict[Lang, str] = {"zh": "zh-CN", "en": "en"}
FOLDERS: dict[Lang, str] = {"zh": "", "en": "en/"}

HEADING = re.compile(r"<(h[12])\b.*?</\1>", re.S)
COUNTED = re.compile(r"(?<=[0-9%]) (?=[\u3400-\u9fff])")
"""Between a number and its Chinese measure word: a heading does not break there."""

_HAN = re.compile(r"[\u3400-\u9fff](?:.*[\u3400-\u9fff])?")


def page_text(
    lang: Lang, template: str, place: str, static: Mapping[str, str], view: View, **more: Any
) -> bytes:
    """The text of a page.

    Args:
        lang: its language.
        template: its template.
        place: where it lies within its language's folder.
        static: path of each static file, by name.
        view: what it shows.
        more: what the template asks for beside.
    """
    root = "../" * (FOLDERS[lang] + place).count("/")
    text = (
        environment(lang)
        .get_template(template)
        .render(
            **view.context,
            **more,
            title=view.title,
            figures={name: figure_json(f) for name, f in view.figures.items()},
            language=LANGUAGE_TAGS[lang],
            alternates=[
                (LANGUAGE_TAGS[other], f"{root}{FOLDERS[other]}{place}")
                for other in LANGUAGES
                if other != lang
            ],
            styles=[root + static[name] for name in STYLES],
            scripts=[root + static[name] for name in SCRIPTS[lang]],
            icon=root + static["icon.svg"],
        )
    )
    return HEADING.sub(lambda found: COUNTED.sub("\u00a0", found[0]), text).encode()


def static_files() -> dict[str, tuple[str, bytes]]:
    """The static files: source name → path under a name with its hash, and content."""
    names = sorted({"icon.svg", *STYLES, *(name for used in SCRIPTS.values() for name in used)})
    found = {}
    for name in names:
        content = (STATIC / name).read_bytes()
        if name in STYLES:
            content = style_sheet().encode() + content
        source = Path(name)
        digest = hashlib.sha256(content).hexdigest()[:12]
        found[name] = (f"static/{source.stem}.{digest}{source.suffix}", content)
    return found


@cache
def environment(lang: Lang) -> Environment:
    """The templates' environment in one language; an unknown name in a template is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translator(lang), newstyle=True)  # type: ignore[attr-defined]
    made.filters["workbook"] = workbook_name
    made.globals["colon"] = "：" if lang == "zh" else ": "
    made.filters["tongue"] = lambda text: tongue(text, lang)
    return made


def tongue(text: str, lang: Lang) -> Markup:
    """Words from the data; on a page in another language, what is Chinese is marked as Chinese."""
    found = _HAN.search(text) if lang != "zh" else None
    if found is None:
        return Markup("{}").format(text)
    before, after = text[: found.start()], text[found.end() :]
    return Markup('{}<span lang="zh-CN">{}</span>{}').format(before, found[0], after)


def figure_json(figure: go.Figure) -> Markup:
    """A figure as text that may stand inside a script element."""
    text = json.dumps(
        figure.to_plotly_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
