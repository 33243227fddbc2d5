"""Words for the code values that pages and messages print."""

from collections.abc import Callable, Mapping, Sequence
from gettext import NullTranslations

Name = Callable[[str | None, NullTranslations], str]
"""The word for a code value; an unknown code stays as it is, none is empty."""


def _(msgid: str) -> str:
    """Marks a word for the catalogue; it is translated where it is said."""
    return msgid


def _names(known: Mapping[str, str]) -> Name:
    """Says the code values of these words."""

    def name(code: str | None, words: NullTranslations) -> str:
        word = known.get(code or "")
        return words.gettext(word) if word else code or ""

    return name


_STAGES = {
    "all": _("All stages"),
    "primary": _("Primary"),
    "junior": _("Junior secondary"),
    "senior": _("Senior secondary"),
    "combined": _("Combined"),
    "other": _("Other stages"),
}
stage_name = _names(_STAGES)
"""A stage of schooling."""
STAGE_ORDER = tuple(_STAGES)
"""Order of stages in tables and panels; unknown codes follow by name."""

_SUBJECTS = {
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
}
subject_name = _names(_SUBJECTS)
"""A subject."""
SUBJECT_ORDER = tuple(_SUBJECTS)
"""Order of subjects; unknown codes follow by name."""

band_name = _names(
    {
        "above": _("above expected"),
        "as_expected": _("as expected"),
        "below": _("below expected"),
    }
)
"""What the interval of an effect says."""

term_name = _names(
    {
        "constant": _("constant"),
        "prior_z": _("earlier score in the subject"),
        "prior_squared": _("its square"),
        "others": _("mean of the other subjects then"),
        "no_others": _("whether there is none"),
        "school_prior": _("the school's mean earlier score"),
        "subsidised": _("subsidised"),
        "migrant": _("migrant"),
        "left_behind": _("left behind"),
        "boarding": _("boarding"),
        "rural_household": _("of a rural household"),
        "female": _("female"),
    }
)
"""A term of a model of value added."""

reason_name = _names(
    {
        "no_priors": _("no student has an earlier score"),
        "not_finite": _("a sum is not finite"),
        "negative_weight": _("a weight is negative"),
        "one_group": _("fewer than two schools have students with an earlier score"),
        "too_few_groups": _("there are too few schools"),
        "too_few_rows": _("there are too few students with an earlier score"),
        "outcome_constant": _("all scores are equal"),
        "perfect_prediction": _("the terms predict every score exactly"),
        "no_variation_within_groups": _("scores do not vary within schools"),
        "no_repeated_rows": _("no school has two students with an earlier score"),
        "one_upper_group": _("the schools lie in fewer than two districts"),
        "upper_is_group": _("each district has one school, so the two can't be told apart"),
        "no_convergence": _("the search found no maximum"),
        "too_few_students": _("too few students have an earlier score"),
        "too_few_schools": _("there are too few schools to correlate"),
        "no_variation": _("the schools do not differ"),
        "exact_relation": _("one determines the other"),
        "no_year": _("one of the years has no effects"),
        "no_item_results": _("there are no item results of the earlier paper"),
        "reliability_too_low": _("the earlier paper is too unreliable"),
        "scores_equal": _("all scores are equal"),
        "prior_constant": _("all earlier scores are equal"),
        "not_verified": _("the solution could not be verified"),
    }
)
"""Why there is no estimate, as words that follow a colon."""


def rank(code: str, order: Sequence[str]) -> tuple[int, str]:
    """A sort key: the place in an order, then the code itself."""
    return (order.index(code) if code in order else len(order), code)


status_name = _names(
    {
        "reached": _("reached"),
        "on_pace": _("on pace"),
        "behind": _("behind pace"),
        "not_distinguishable": _("cannot be told yet"),
        "overdue": _("overdue"),
        "not_reported": _("not reported"),
        "not_due": _("not due yet"),
    }
)
"""Where a unit stands against the plan's pace."""

duty_name = _names(
    {
        "principal_or_secretary": _("Principals and secretaries"),
        "school_leader": _("Other school leaders"),
        "education_official": _("Education officials"),
    }
)
"""A post that owes observed lessons."""

population_name = _names({"teacher": _("Teachers"), "principal": _("Principals")})
"""Whose training is looked at."""


def quantity(n: float, said: str, code: str, words: NullTranslations) -> str:
    """A number of things with their name, such as `82 lessons`; an unknown code stays as it is.

    Args:
        n: the number, which decides between singular and plural.
        said: the number as it is written.
        code: what is counted: a unit of the plan, or an entity that it asks something of.
        words: the translations.
    """
    many = 1 if n == 1 else 2
    pattern = {
        "achievement": words.ngettext("%(n)s achievement", "%(n)s achievements", many),
        "award": words.ngettext("%(n)s award", "%(n)s awards", many),
        "base": words.ngettext("%(n)s base", "%(n)s bases", many),
        "case": words.ngettext("%(n)s case", "%(n)s cases", many),
        "class": words.ngettext("%(n)s class", "%(n)s classes", many),
        "community": words.ngettext("%(n)s community", "%(n)s communities", many),
        "course": words.ngettext("%(n)s course", "%(n)s courses", many),
        "district": words.ngettext("%(n)s district", "%(n)s districts", many),
        "festival": words.ngettext("%(n)s festival", "%(n)s festivals", many),
        "finding": words.ngettext("%(n)s finding", "%(n)s findings", many),
        "group": words.ngettext("%(n)s group", "%(n)s groups", many),
        "lesson": words.ngettext("%(n)s lesson", "%(n)s lessons", many),
        "person": words.ngettext("%(n)s person", "%(n)s persons", many),
        "school": words.ngettext("%(n)s school", "%(n)s schools", many),
        "school_week": words.ngettext("%(n)s school week", "%(n)s school weeks", many),
        "session": words.ngettext("%(n)s session", "%(n)s sessions", many),
        "society": words.ngettext("%(n)s society", "%(n)s societies", many),
        "student": words.ngettext("%(n)s student", "%(n)s students", many),
        "studio": words.ngettext("%(n)s studio", "%(n)s studios", many),
        "subject": words.ngettext("%(n)s subject", "%(n)s subjects", many),
        "unit": words.ngettext("%(n)s unit", "%(n)s units", many),
        "visit": words.ngettext("%(n)s visit", "%(n)s visits", many),
        "wave": words.ngettext("%(n)s wave", "%(n)s waves", many),
        "week": words.ngettext("%(n)s week", "%(n)s weeks", many),
    }.get(code, f"%(n)s {code}")
    return pattern % {"n": said}


submission_state = _names(
    {
        "not_submitted": _("Not submitted"),
        "received": _("Received"),
        "checking": _("Being checked"),
        "returned": _("Returned for correction"),
        "awaiting_explanation": _("Explanation awaited"),
        "district_approved": _("Approved by the district"),
        "landed": _("Landed"),
        "published": _("Published"),
        "replaced": _("Replaced by a newer file"),
        "withdrawn": _("Withdrawn"),
    }
)
"""Where a file handed in is in the workflow."""

progress_name = _names(
    {
        "in": _("taken in"),
        "checking": _("being checked"),
        "returned": _("to be mended"),
        "awaiting_explanation": _("to be explained"),
        "late": _("late"),
        "not_due": _("not due"),
    }
)
"""How far something owed has come."""

_FEEDS = {
    "districts": _("List of districts"),
    "schools": _("List of schools"),
    "staff": _("Roll of staff"),
    "students": _("Roll of students"),
    "school_resources": _("Resources of schools"),
    "residential_areas": _("Residential areas"),
    "monitoring_waves": _("Monitoring waves"),
    "item_map": _("Item map"),
    "monitoring_results": _("Monitoring results"),
    "item_results": _("Item results"),
    "lesson_observations": _("Observed lessons"),
    "training_logs": _("Trainings"),
    "official_visits": _("Field visits"),
    "supervision_findings": _("Findings of supervision"),
    "programme_register": _("Register of programmes"),
    "external_benchmarks": _("Figures from outside"),
}
feed_name = _names(_FEEDS)
"""What is handed in."""
FEED_ORDER = tuple(_FEEDS)
"""Order of feeds in tables and figures, which is that in which they fall due."""

fate_name = _names(
    {
        "shown": _("told"),
        "band": _("told, its share as a range"),
        "share": _("told, its share withheld"),
        "few": _("withheld: fewer than ten"),
        "partner": _("withheld to protect another"),
        "total": _("its number alone withheld"),
        "nobody": _("nobody counted"),
    }
)
"""What becomes of a published number."""

unit_name = _names(
    {
        "share": _("share, 0 to 1"),
        "points": _("percentage points"),
        "percent": _("percent"),
        "marks": _("marks of the paper"),
        "sd": _("standard deviations"),
        "students": _("students"),
        "schools": _("schools"),
        "files": _("files"),
        "ratio": _("ratio"),
        "targets": _("targets"),
        "as_target": _("that of the target"),
        "persons": _("persons"),
        "attendances": _("attendances"),
        "lessons": _("lessons"),
        "hours": _("hours"),
        "percentile": _("percentile"),
        "correlation": _("correlation"),
    }
)
"""The unit that a figure is measured in."""

_DIMENSIONS = {
    "locale_rural": _("Rural against urban"),
    "locale_town": _("Town against urban"),
    "ownership": _("Private against public"),
    "gender": _("Girls against boys"),
    "subsidised": _("Subsidised against others"),
    "left_behind": _("Left behind against others"),
    "migrant": _("Children of migrant workers against others"),
    "rural_household": _("Of rural households against others"),
    "boarding": _("Boarders against others"),
    "district": _("The district against the others"),
}
dimension_name = _names(_DIMENSIONS)
"""Which two groups a gap holds against each other."""
DIMENSION_ORDER = tuple(_DIMENSIONS)
"""Order of gaps on pages."""

_INDICATORS = {
    "teachers_above_required_degree": _("Teachers above the required degree"),
    "key_teachers": _("Backbone teachers"),
    "pe_art_teachers": _("Teachers of sport, art and music"),
    "teaching_area_m2": _("Teaching area"),
    "sports_area_m2": _("Sports area"),
    "equipment_value_yuan": _("Value of equipment"),
    "multimedia_rooms": _("Multimedia classrooms"),
}
indicator_name = _names(_INDICATORS)
"""An indicator of schools' resources."""
INDICATOR_ORDER = tuple(_INDICATORS)
"""Order of indicators, that of the national measures."""

dimension_kind_name = _names(
    {
        "competency": _("Core competencies"),
        "content_domain": _("Content areas"),
        "cognitive_level": _("Levels of thinking"),
    }
)
"""By what items are taken together."""

look_at_name = _names(
    {
        "not_on_map": _("not on the item map"),
        "no_map": _("no item map"),
        "no_results": _("no points"),
        "out_of_range": _("points out of range"),
        "too_easy": _("too easy"),
        "too_hard": _("too hard"),
        "weak": _("discriminates little"),
        "reversed": _("runs against the rest"),
        "lowers_alpha": _("lowers alpha"),
        "few_students": _("few students"),
    }
)
"""Why an item should be looked at."""
