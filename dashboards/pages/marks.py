"""The marks that stand in a cell instead of a figure, or beside one."""

from gettext import NullTranslations

from dashboards.pages.base import Row

WITHHELD, SMALL, NOT_REPORTED, NOT_APPLICABLE = "c", "u", "x", "z"


def absence(row: Row) -> str:
    """The mark of a row without figures."""
    return str(row["mark"] or NOT_APPLICABLE)


def legend(words: NullTranslations) -> dict[str, str]:
    """What each mark stands for, in the order of the legend."""
    _ = words.gettext
    return {
        WITHHELD: _("not shown, to protect personal data"),
        SMALL: _("small sample, please read with care"),
        NOT_REPORTED: _("not reported yet"),
        NOT_APPLICABLE: _("not applicable"),
    }
