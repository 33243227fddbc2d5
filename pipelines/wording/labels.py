"""Words for the code values that pages and messages print."""

from gettext import NullTranslations


def stage_name(code: str, words: NullTranslations) -> str:
    """A stage of schooling; an unknown code stays as it is."""
    _ = words.gettext
    return {
        "all": _("All stages"),
        "primary": _("Primary"),
        "junior": _("Junior secondary"),
        "senior": _("Senior secondary"),
        "combined": _("Combined"),
        "other": _("Other stages"),
    }.get(code, code)


def subject_name(code: str, words: NullTranslations) -> str:
    """A subject; an unknown code stays as it is."""
    _ = words.gettext
    return {
        "all": _("All subjects"),
        "chinese": _("Chinese"),
        "mathematics": _("Mathematics"),
        "english": _("English"),
        "politics": _("Morality and law"),
        "history": _("History"),
        "geography": _("Geography"),
        "physics": _("Physics"),
        "chemistry": _("Chemistry"),
        "biology": _("Biology"),
        "science": _("Science"),
        "music": _("Music"),
        "art": _("Art"),
        "pe": _("Physical education"),
        "it": _("Information technology"),
        "labour": _("Labour"),
    }.get(code, code)


def band_name(code: str, words: NullTranslations) -> str:
    """What the interval of an effect says; an unknown code stays as it is."""
    _ = words.gettext
    return {
        "above": _("above expected"),
        "as_expected": _("as expected"),
        "below": _("below expected"),
    }.get(code, code)


STAGE_ORDER = ("all", "primary", "junior", "senior", "combined", "other")
"""Order of stages in tables and panels; unknown codes follow by name."""

SUBJECT_ORDER = [
    "all",
    "chinese",
    "mathematics",
    "english",
    "politics",
    "history",
    "geography",
    "physics",
    "chemistry",
    "biology",
    "science",
    "music",
    "art",
    "pe",
    "it",
    "labour",
]
"""Order of subjects; unknown codes follow by name."""


def rank(code: str, order: tuple[str, ...] | list[str]) -> tuple[int, str]:
    """A sort key: the place in an order, then the code itself."""
    return (order.index(code) if code in order else len(order), code)


def status_name(code: str, words: NullTranslations) -> str:
    """Where a unit stands against the plan's pace."""
    _ = words.gettext
    return {
        "reached": _("reached"),
        "on_pace": _("on pace"),
        "behind": _("behind pace"),
        "not_distinguishable": _("cannot be told yet"),
    }.get(code, code)
