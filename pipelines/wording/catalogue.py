"""Gettext translations out of the text catalogue."""

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Literal, get_args

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

Lang = Literal["zh", "en"]
"""The languages that are spoken: Chinese first."""

LANGUAGES: tuple[Lang, ...] = get_args(Lang)

CATALOGUE = Path(__file__).with_name("zh_CN.po")


@cache
def translator(lang: str) -> NullTranslations:
    """The translations into a language.

    English needs none: the msgids are English.

    Raises:
        ValueError: the language is not one of `LANGUAGES`.
    """
    if lang == "en":
        return NullTranslations()
    if lang != "zh":
        raise ValueError(f"unknown language {lang!r}; known: {', '.join(LANGUAGES)}")
    with CATALOGUE.open("rb") as text:
        catalogue = read_po(text, locale="zh_CN", abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def bilingual(message: str, **values: object) -> str:
    """A message of the catalogue in both languages, Chinese first; for terminals and logs."""
    return " / ".join(translator(lang).gettext(message).format(**values) for lang in LANGUAGES)
