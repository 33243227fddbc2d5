"""Sentences that say the figures of a row, claiming no more than its interval allows."""

from collections.abc import Mapping, Sequence
from gettext import NullTranslations

from dashboards.pages.base import Row
from dashboards.pages.marks import SMALL, absence, legend
from pipelines.wording import (
    Lang,
    count,
    percent,
    percent_band,
    percent_change,
    percent_interval,
    points,
    points_interval,
    school_year,
    translator,
)
from pipelines.wording.labels import status_name


class Teller:
    """Says the figures of a row in a language."""

    def __init__(self, lang: Lang) -> None:
        self.lang: Lang = lang
        self.words: NullTranslations = translator(lang)

    def rate(self, row: Row, column: str = "pass_rate") -> str:
        """A rate of a row in percent, with as many digits as its n warrants."""
        return percent(row[column], row["n"], self.lang)

    def rate_interval(self, row: Row) -> str:
        """The 95% interval of a row's pass rate, in percent."""
        return percent_interval(row["pass_low"], row["pass_high"], row["n"], self.lang)

    def year(self, row: Row) -> str:
        """A row's school year."""
        return school_year(row["school_year"], self.lang)

    def previous(self, row: Row) -> str:
        """The earlier year that a row is compared with, as it follows `than` or `from`."""
        _ = self.words.gettext
        if follows(row["previous_year"], row["school_year"]):
            return _("the year before")
        return _("in %(year)s") % {"year": school_year(row["previous_year"], self.lang)}

    def headline(self, row: Row, unit: str) -> str:
        """What happened to the pass rate, and no more than the interval allows."""
        _ = self.words.gettext
        if row["pass_band"]:
            return _("Pass rate of %(unit)s in %(year)s: %(rate)s") % {
                "unit": unit,
                "year": self.year(row),
                "rate": percent_band(row["pass_band"]),
            }
        if row["pass_rate"] is None:
            return _("Pass rate of %(unit)s in %(year)s: not shown, to protect personal data") % {
                "unit": unit,
                "year": self.year(row),
            }
        values = {"unit": unit, "rate": self.rate(row)}
        change = row["year_change_points"]
        if change is None or row["previous_year"] is None:
            sentence = _(
                "Pass rate of %(unit)s: %(rate)s (95%% interval %(interval)s); "
                "no comparable earlier year"
            )
            return sentence % {**values, "interval": self.rate_interval(row)}
        low, high = row["year_change_low"], row["year_change_high"]
        values |= {
            "previous": self.previous(row),
            "points": points(abs(change), self.lang, signed=False),
            "interval": points_interval(low, high, self.lang),
        }
        if low > 0:
            sentence = _(
                "Pass rate of %(unit)s: %(rate)s, %(points)s percentage points higher than "
                "%(previous)s (95%% interval %(interval)s)"
            )
        elif high < 0:
            sentence = _(
                "Pass rate of %(unit)s: %(rate)s, %(points)s percentage points lower than "
                "%(previous)s (change: 95%% interval %(interval)s)"
            )
        else:
            values["points"] = points(change, self.lang)
            sentence = _(
                "Pass rate of %(unit)s: %(rate)s; the difference from %(previous)s is not clear "
                "(%(points)s percentage points, 95%% interval %(interval)s)"
            )
        return sentence % values

    def scope(self, row: Row, unit: str) -> str:
        """What a headline speaks of: unit, stages and subjects, year, n."""
        _ = self.words.gettext
        parts = [unit, _("all stages and subjects pooled"), self.year(row)]
        if row["n"] is not None:
            parts.append(
                _("%(students)s students, %(n)s scores")
                % {"students": count(row["students"], self.lang), "n": count(row["n"], self.lang)}
            )
        text = " · ".join(parts)
        return text[:1].upper() + text[1:]

    def against_baseline(self, row: Row, baseline_year: str) -> str:
        """A row against the plan's baseline, in points and relative, with the pace."""
        _ = self.words.gettext
        year = {"year": self.year(row)}
        match row["comparability"]:
            case "baseline_year":
                return _("%(year)s is the baseline; later years are compared with it.") % year
            case "before_baseline":
                return _("%(year)s lies before the baseline year and is not compared.") % year
            case "no_baseline":
                return _("There are no figures of the baseline year to compare with.")
        if row["change_points"] is None or row["pass_rate"] is None:
            return _("The comparison with the baseline is not shown, to protect personal data.")
        values = {
            "year": school_year(baseline_year, self.lang),
            "points": points(abs(row["change_points"]), self.lang, signed=False),
            "signed": points(row["change_points"], self.lang),
            "interval": points_interval(row["change_low"], row["change_high"], self.lang),
            "relative": percent_change(row["change_percent"], self.lang),
            "baseline": percent(row["baseline_rate"], row["n"], self.lang),
            "pace": percent(row["pace_rate"], row["n"], self.lang),
            "status": status_name(row["status"], self.words),
        }
        if row["change_low"] > 0:
            sentence = _(
                "%(points)s percentage points above the %(baseline)s of the baseline %(year)s "
                "(95%% interval %(interval)s; relative %(relative)s); "
                "the pace line stands at %(pace)s: %(status)s."
            )
        elif row["change_high"] < 0:
            sentence = _(
                "%(points)s percentage points below the %(baseline)s of the baseline %(year)s "
                "(change: 95%% interval %(interval)s; relative %(relative)s); "
                "the pace line stands at %(pace)s: %(status)s."
            )
        else:
            sentence = _(
                "The difference from the %(baseline)s of the baseline %(year)s is not clear "
                "(%(signed)s percentage points, 95%% interval %(interval)s; "
                "relative %(relative)s); the pace line stands at %(pace)s: %(status)s."
            )
        return sentence % values

    def small_sample(self, row: Row) -> str:
        """The caution that a small sample asks for; empty where none is due."""
        _ = self.words.gettext
        if row["mark"] != SMALL:
            return ""
        return _("Small sample (%(n)s students): please read with care.") % {
            "n": count(row["students"], self.lang)
        }

    def hover(self, row: Row, head: str) -> str:
        """The label of a point; empty where there is no figure to point at."""
        if row["pass_rate"] is None:
            return ""
        _ = self.words.gettext
        text = _("%(head)s<br>%(rate)s (95%% interval %(interval)s)<br>%(n)s students") % {
            "head": head,
            "rate": self.rate(row),
            "interval": self.rate_interval(row),
            "n": count(row["students"], self.lang),
        }
        if row["pace_rate"] is not None:
            text += _("<br>pace line %(pace)s") % {"pace": self.rate(row, "pace_rate")}
        return text

    def point(self, row: Row, head: str) -> str:
        """A point, or the band in its place, in words, for the text alternative of a figure."""
        if row["pass_band"]:
            return self.headed(head, percent_band(row["pass_band"]))
        if row["pass_rate"] is None:
            return self.headed(head, legend(self.words)[absence(row)])
        _ = self.words.gettext
        return _("%(head)s: %(rate)s (%(interval)s)") % {
            "head": head,
            "rate": self.rate(row),
            "interval": self.rate_interval(row),
        }

    def headed(self, head: str, meaning: str) -> str:
        """A heading and what is said of it."""
        _ = self.words.gettext
        return _("%(head)s: %(meaning)s") % {"head": head, "meaning": meaning}

    def noted(self, name: str, note: str) -> str:
        """A name with a note in brackets, if there is one."""
        if not note:
            return name
        return f"{name}（{note}）" if self.lang == "zh" else f"{name} ({note})"

    def listed(self, names: Sequence[str]) -> str:
        """Names beside one another within a sentence."""
        return ("、" if self.lang == "zh" else ", ").join(names)

    def points_between(self, low: float, high: float) -> str:
        """The interval of a difference in percentage points, without the unit."""
        return points_interval(low, high, self.lang)

    def change(self, change: float, low: float, high: float, previous: str) -> str:
        """A change in percentage points, claiming no more than its interval allows.

        Args:
            change: the change.
            low: lower end of its 95% interval.
            high: upper end of it.
            previous: what is compared with, as it follows `than` or `from`.
        """
        _ = self.words.gettext
        values = {
            "previous": previous,
            "points": points(abs(change), self.lang, signed=False),
            "interval": points_interval(low, high, self.lang),
        }
        if low > 0:
            sentence = _(
                "%(points)s percentage points higher than %(previous)s (95%% interval %(interval)s)"
            )
        elif high < 0:
            sentence = _(
                "%(points)s percentage points lower than %(previous)s "
                "(change: 95%% interval %(interval)s)"
            )
        else:
            values["points"] = points(change, self.lang)
            sentence = _(
                "the difference from %(previous)s is not clear "
                "(%(points)s percentage points, 95%% interval %(interval)s)"
            )
        return sentence % values

    def schools_reach(self, row: Row) -> str:
        """How many schools reach the share of the in-class check that is asked of each."""
        _ = self.words.gettext
        values = {
            "checked": count(row["schools_checked"], self.lang),
            "met": count(row["schools_met"], self.lang),
            "rest": count(row["schools_checked"] - row["schools_met"], self.lang),
            "silent": count(row["schools"] - row["schools_checked"], self.lang),
        }
        said = [_("of %(checked)s schools %(met)s reach what is asked of each")]
        if row["schools_checked"] > row["schools_met"]:
            said.append(_("%(rest)s do not yet"))
        if row["schools"] > row["schools_checked"]:
            said.append(_("%(silent)s have no check on record"))
        return ("，" if self.lang == "zh" else ", ").join(part % values for part in said)

    def rate_told(self, row: Row) -> str:
        """The rate of the in-class check with its interval, and its change if it has one."""
        _ = self.words.gettext
        n = row["tested"]
        said = _("In-class check: %(rate)s (95%% interval %(interval)s)") % {
            "rate": percent(row["rate"], n, self.lang),
            "interval": percent_interval(row["ci_low"], row["ci_high"], n, self.lang),
        }
        if row["year_change_points"] is None:
            return said
        change = self.change(
            row["year_change_points"],
            row["year_change_low"],
            row["year_change_high"],
            self.previous(row),
        )
        return f"{said}{'，' if self.lang == 'zh' else '; '}{change}"

    def targets(self, counts: Mapping[str | None, int], order: Sequence[str]) -> str:
        """How many targets of the plan have which status; those without one are said to be hidden.

        Args:
            counts: status → number of targets; of None, those whose status is not shown.
            order: the statuses in the order of pages.
        """
        _, ngettext = self.words.gettext, self.words.ngettext
        parts = [
            _("%(n)s %(status)s")
            % {"status": status_name(status, self.words), "n": count(counts[status], self.lang)}
            for status in order
            if counts.get(status)
        ]
        if counts.get(None):
            parts.append(_("%(n)s not shown") % {"n": count(counts[None], self.lang)})
        total = sum(counts.values())
        said = ngettext(
            "%(n)s target of the plan: %(parts)s", "%(n)s targets of the plan: %(parts)s", total
        )
        comma = "，" if self.lang == "zh" else ", "
        # A number and its status stay on one line.
        together = comma.join(part.replace(" ", "\u00a0") for part in parts)
        return said % {"n": count(total, self.lang), "parts": together}

    def joined(self, parts: Sequence[str]) -> str:
        """Parts of an enumeration in one sentence."""
        return ("；" if self.lang == "zh" else "; ").join(parts)

    def axis_start(self, axis: tuple[float, float]) -> str:
        """Where an axis of shares starts, in percent; empty when it starts at 0."""
        return percent(axis[0], 1, self.lang) if axis[0] > 0 else ""

    def reporting(
        self, reporting: Sequence[Row], newest: str | None, level: str = "city"
    ) -> list[str]:
        """What has not been reported or was returned, one sentence a fact; empty when all is in.

        Args:
            reporting: rows of `published.reporting`.
            newest: the newest school year with results, if there is any.
            level: of the rows that are told.
        """
        _, ngettext = self.words.gettext, self.words.ngettext
        lines = []
        told = [row for row in reporting if row["level"] == level]
        for row in told:
            if len(told) > 1:
                wave = row["wave_id"]
            elif row["school_year"] == newest:
                wave = _("This wave")
            else:
                wave = _("The wave of %(year)s") % {"year": self.year(row)}
            late, returned = row["schools_not_reported"] or 0, row["files_returned"] or 0
            if late:
                sentence = ngettext(
                    "%(wave)s: %(n)s school has not reported yet.",
                    "%(wave)s: %(n)s schools have not reported yet.",
                    late,
                )
                lines.append(sentence % {"wave": wave, "n": count(late, self.lang)})
            if returned:
                sentence = ngettext(
                    "%(wave)s: %(n)s file was returned to be corrected; "
                    "its new content is not counted.",
                    "%(wave)s: %(n)s files were returned to be corrected; "
                    "their new content is not counted.",
                    returned,
                )
                lines.append(sentence % {"wave": wave, "n": count(returned, self.lang)})
        return lines


def follows(earlier: str, later: str) -> bool:
    """Whether one school year (`2023-2024`) directly follows another."""
    head, _, tail = earlier.partition("-")
    return bool(tail) and later.partition("-")[0] == tail and tail.isdigit() and head.isdigit()


def year_label(year: str) -> str:
    """A school year as short as an axis needs it: `2023–24`."""
    first, _, second = year.partition("-")
    return f"{first}–{second[-2:]}" if len(first) == len(second) == 4 else year
