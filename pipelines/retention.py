"""How long a feed's school years are kept, by settings; what is over is told, and goes when asked.

Nothing goes by itself: `due` tells what may go, `apply` removes it. What a school year's files were
and when they arrived stays in the ledger; so do releases, but for rows of single students.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines import forget, intake, release, warehouse
from pipelines.feeds import load_contracts
from pipelines.feeds.contract import quoted
from pipelines.intake import erase as landing
from pipelines.intake.ledger import PRESENT
from pipelines.intake.raw import handed_in, is_year
from pipelines.intake.states import retired
from pipelines.settings import Settings, SettingsError
from pipelines.wording import bilingual

RETIRED = "retired"
"""Event: the time of a feed's school year is over."""

FOR_GOOD = 10**6


@dataclass(frozen=True)
class Due:
    """A feed's school year whose time is over."""

    feed: str
    school_year: str
    submissions: int
    """Files that count now: landed, or refused."""
    landed: int
    """Landed files, standing or not."""
    copies: int
    """Return workbooks and refused copies."""
    raw: int
    """Files in the raw folder."""
    notes: tuple[str, ...] = ()
    """What else goes with it, in both languages."""

    @property
    def only_raw(self) -> bool:
        """Whether all is gone but what was handed in."""
        return not (self.submissions or self.landed or self.copies)


def check(settings: Settings) -> None:
    """Refuse a setting that names no feed, or lets a register go before what refers to it.

    Raises:
        SettingsError: it does.
    """
    years = settings.retention_years
    unknown = sorted(years.keys() - load_contracts().keys())
    if unknown:
        known = ", ".join(load_contracts())
        raise SettingsError(f"retention_years: no feed {', '.join(unknown)}; there are: {known}")
    for feed, contract in load_contracts().items():
        for register in {*contract.depends_on, *("students",) * _has_students(feed)}:
            if years.get(feed, FOR_GOOD) > years.get(register, FOR_GOOD):
                raise SettingsError(f"retention_years: {register} may not go before {feed}")


def due(settings: Settings, today: date | None = None) -> list[Due]:
    """What may go, by feed and school year; empty where nothing is over, or all is gone.

    A school year is kept for so many years as the setting says, the present one among them. Raw
    files count only where the setting `retention_raw` lets them go.

    Raises:
        SettingsError: see `check`.
    """
    check(settings)
    now = today or datetime.now(UTC).astimezone(ZoneInfo(settings.time_zone)).date()
    present = now.year - (now.month < settings.school_year_start_month)
    ledger, found = intake.Ledger(settings), []
    for feed, years in settings.retention_years.items():
        for year in sorted(_years(settings, ledger, feed)):
            if int(year[:4]) <= present - years:
                one = _due(settings, ledger, feed, year)
                if not one.only_raw or (one.raw and settings.retention_raw):
                    found.append(one)
    return found


def left_in_raw(settings: Settings) -> list[Due]:
    """School years that went and of which files lie in the raw folder, where nobody reads them."""
    ledger = intake.Ledger(settings)
    over = sorted(retired(ledger))
    return [one for feed, year in over if (one := _due(settings, ledger, feed, year)).raw]


def apply(settings: Settings, reason: str, by: str, today: date | None = None) -> list[Due]:
    """Let go what is due; answers what went.

    The audit log tells of each feed and school year, then the ledger; what a process that is killed
    afterwards leaves undone, the next build does, but for files in the raw folder, which the next
    call removes. The next build makes a release without what went.

    Raises:
        SettingsError: see `check`.
        IntakeError: there is no reason.
        Busy: a build works on the home.
        OSError: the raw folder can't be written; the rest is done.
    """
    from dashboards.gate import open_accounts

    if not reason.strip():
        raise intake.IntakeError(bilingual("What goes, goes for a reason; give one."))
    with release.hold(settings):
        gone = due(settings, today)
        if not gone:
            return []
        ledger, audit = intake.Ledger(settings), open_accounts(settings)[1]
        before = retired(ledger)
        for one in gone:
            audit.tell(
                "retention", by, reason=reason.strip(), feed=one.feed, year=one.school_year,
                files=one.landed, copies=one.copies, raw=one.raw if settings.retention_raw else 0,
            )  # fmt: skip
            if (one.feed, one.school_year) not in before:
                detail = {"school_year": one.school_year}
                event = {"state": RETIRED, "feed": one.feed, "detail": detail}
                ledger.tell([{**event, "reason": reason.strip()}], by)
        finish(settings)
        if settings.retention_raw:
            for one in gone:
                folder = settings.raw / one.feed / one.school_year
                if folder.exists():
                    shutil.rmtree(folder)
        return gone


def finish(settings: Settings) -> int:
    """Remove what is left of school years that are over; answers of how many there was anything.

    To be called while the home is held, before anything is read.
    """
    ledger = intake.Ledger(settings)
    over = sorted(retired(ledger))
    left = [(feed, year) for feed, year in over if not _due(settings, ledger, feed, year).only_raw]
    if not left:
        return 0
    forget.clear(settings)
    forget.erase_in_releases(settings, lambda path: _rows(settings, path, set(over)))
    for feed, year in left:
        for folder in _folders(settings, feed, year):
            if folder.exists():
                shutil.rmtree(folder)
        own = [s for s in ledger.submissions(feed, full=False) if s["school_year"] == year]
        ledger.strip([s["submission_id"] for s in own])
        # Last, since it is what tells that something is left.
        present = [s["submission_id"] for s in own if s["state"] in PRESENT]
        ledger.record([], dict.fromkeys(present, "withdrawn"), reason="its time is over")
    return len(left)


def _years(settings: Settings, ledger: intake.Ledger, feed: str) -> set[str]:
    """School years of which there is anything."""
    known = {s["school_year"] for s in ledger.submissions(feed, full=False)}
    places = (settings.raw, settings.landing, settings.feedback, settings.quarantine)
    known |= {p.name for place in places for p in (place / feed).glob("*-*") if p.is_dir()}
    return {year for year in known if is_year(year)}


def _due(settings: Settings, ledger: intake.Ledger, feed: str, year: str) -> Due:
    own = ledger.submissions(feed, full=False)
    present = [s for s in own if s["school_year"] == year and s["state"] in PRESENT]
    landed, *copies = (
        sum(p.is_file() for p in folder.rglob("*")) for folder in _folders(settings, feed, year)
    )
    notes = []
    if year == settings.plan_baseline_year and feed == "monitoring_results":
        notes.append(bilingual("The plan's rise is measured from this school year."))
    return Due(
        feed, year, len(present), landed, sum(copies),
        len(handed_in(settings.raw / feed / year)), tuple(notes),
    )  # fmt: skip


def _folders(settings: Settings, feed: str, year: str) -> list[Path]:
    """Where what was made of a feed's school year lies, the landed files first."""
    places = (settings.landing, settings.feedback, settings.quarantine)
    return [place / feed / year for place in places]


def _rows(settings: Settings, path: Path, over: set[tuple[str, str]]) -> warehouse.Rows:
    """The rows of single students in a release whose school year is over for every such feed."""
    students = {feed for feed, _ in landing.of_students(settings)}
    students |= {feed for feed, _ in over if _has_students(feed)}
    kept = {
        path.name
        for feed in students
        for path in (settings.landing / feed).glob("*-*")
        if (feed, path.name) not in over
    }
    gone = sorted({year for feed, year in over if feed in students} - kept)
    if not gone:
        return lambda _, __: ""
    years = ", ".join(map(quoted, gone))
    query = f"select distinct wave_id from marts.dim_wave where school_year in ({years})"
    waves = ", ".join(quoted(row["wave_id"]) for row in warehouse.read(path, query)) or "null"

    def rows(_: str, columns: set[str]) -> str:
        if "student_key" not in columns:
            return ""
        return f"school_year in ({years})" if "school_year" in columns else f"wave_id in ({waves})"

    return rows


def _has_students(feed: str) -> bool:
    contract = load_contracts().get(feed)
    return contract is not None and any(c.type == "student_no" for c in contract.columns)
