"""Where a file handed in is in the workflow, derived from what the ledger holds.

Two questions are kept apart. *Do its rows stand?* is the ledger's `submission.state`: queries do
not hold rows back. *Where is it in the workflow?* is `FileState.state`, the first of these that is
true of a file:

    withdrawn             taken out of the raw folder, or taken back by somebody
    replaced              something newer stands in its place
    returned              refused: errors to be mended
    awaiting_explanation  its rows stand, a query is not answered yet
    published             the release that is served was made from it
    checking              an outcome is not known yet; or, where the setting `require_approval`
                          is on, the district has not signed it off
    district_approved     signed off by the district, not yet published
    landed                its rows stand, not yet published

`received` (arrived, not yet being read) and `not_submitted` (nothing there: see `duties`) complete
the list. Each step is an event in the ledger, with when, by whom and why.

A query is found when a file is read, or between files and over time when a build looks at all that
stands; the build tells the ledger what it asks of each file (event `asked`), which holds until
another build finds it otherwise. The two are answered in one way.

What people say is attached to the bytes handed in (path and SHA-256), not to a reading of them, so
it outlives a new version of the rules. An explanation answers queries, each known by rule, sheet
and column, and of those between files by the evidence that their rule names (`rules.yml`): a query
that comes up later, or on other evidence, is open. A sign-off holds as long as the file itself has
no query that it did not see (queries between files come and go with the other file).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pipelines.feeds import rules
from pipelines.intake.ledger import Ledger, severity
from pipelines.intake.problems import Problem
from pipelines.settings import Settings
from pipelines.wording import translator
from pipelines.wording.labels import submission_state

Bytes = tuple[str, str]
"""What was handed in: path within the raw folder, SHA-256."""
Query = tuple[str, str, str, str]
"""A query of a file: rule, sheet, column, and the evidence where it is one between files."""
SPOKEN = ("asked", "explained", "district_approved", "published", "unpublished")
"""Events that decide where a file is in the workflow."""
TAKING_BACK = ("taken_back", "given_back")


@dataclass(frozen=True)
class Said:
    """What a person said of a file."""

    by: str
    at: datetime
    reason: str
    queries: frozenset[Query]
    """The queries that the file had then; of an explanation, those that it answers."""


@dataclass(frozen=True)
class FileState:
    """One submission and where it is in the workflow; times are UTC."""

    submission_id: str
    feed: str
    school_year: str
    source_file: str
    file_sha256: str
    state: str
    stands: bool
    """Whether its rows count."""
    received_at: datetime
    rows_read: int
    rows_landed: int
    rows_forgotten: int
    """Of the rows read, those left out since their students are forgotten."""
    errors: int
    """Problems, equal ones folded into one."""
    queries: int
    open_queries: tuple[Query, ...] = ()
    explained: tuple[Said, ...] = ()
    """Its explanations, the latest last."""
    approved: Said | None = None
    """The sign-off that holds."""
    problems: list[dict[str, Any]] = field(default_factory=list, repr=False)
    """What was found when it was read."""
    asked: list[dict[str, Any]] = field(default_factory=list, repr=False)
    """Queries between it and other files, and over time."""
    sheets: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def bytes(self) -> Bytes:
        """What was handed in."""
        return self.source_file, self.file_sha256

    @property
    def present(self) -> bool:
        """Whether it counts: its rows are landed, or it waits to be mended."""
        return self.state not in ("replaced", "withdrawn")

    def awaits(self, problem: Mapping[str, Any]) -> bool:
        """Whether one of its problems is a query that waits for an answer."""
        return query(problem) in self.open_queries

    @property
    def awaiting(self) -> list[Problem]:
        """The queries that wait for an answer, each as it was found."""
        return [Problem(**p) for p in (*self.problems, *self.asked) if self.awaits(p)]

    def as_row(self) -> dict[str, Any]:
        """As a row of `ops.submission` and of reports: flat, problems as numbers."""
        said, signed = self.explained[-1] if self.explained else None, self.approved
        return {
            "submission_id": self.submission_id,
            "feed": self.feed,
            "school_year": self.school_year,
            "source_file": self.source_file,
            "file_sha256": self.file_sha256,
            "state": self.state,
            "state_zh": state_name(self.state, "zh"),
            "stands": self.stands,
            "rows": self.rows_read,
            "rows_landed": self.rows_landed,
            "rows_forgotten": self.rows_forgotten,
            "problems": len(self.problems) + len(self.asked),
            "errors": self.errors,
            "queries": self.queries,
            "open_queries": len(self.open_queries),
            "received_at": self.received_at,
            "explained_by": said.by if said else None,
            "explained_at": said.at if said else None,
            "explanation": said.reason if said else None,
            "approved_by": signed.by if signed else None,
            "approved_at": signed.at if signed else None,
        }


@dataclass(frozen=True)
class Declared:
    """A file that was declared to replace another one, as that one was then."""

    new: str
    old: str
    digests: frozenset[str]
    """Versions of the old file known at that time; a later one is not replaced by it."""


def file_states(
    settings: Settings,
    ledger: Ledger,
    between: Iterable[Problem] | None = None,
    as_of: datetime | None = None,
    releasing: bool = False,
) -> list[FileState]:
    """Every submission with its state, by feed, path and time.

    Args:
        settings: whether approval is required.
        ledger: of the home.
        between: queries between files, each of the file that it names, in place of those that the
            last build told the ledger.
        as_of: the moment to tell of (UTC); now by default.
        releasing: as in the release that is being made: what stands is published in it.
    """
    spoken = heard(ledger, as_of=as_of)
    found = None if between is None else by_file(between)
    states, over = [], retired(ledger)
    for s in ledger.submissions(as_of=as_of):
        if (s["feed"], s["school_year"]) in over:
            s["state"] = "withdrawn"
        handed = (s["source_file"], s["file_sha256"])
        stands = s["state"] == "landed"
        told = spoken.asked.get(handed, []) if found is None else found.get(handed[0], [])
        asked = told if stands else []
        problems = [*s["problems"], *asked]
        grave = [severity(problem) for problem in problems]
        asks = {query(p) for p, g in zip(problems, grave, strict=True) if g == "query"}
        answers = spoken.explained.get(handed, [])
        answered = frozenset[Query]().union(*(a.queries for a in answers))
        signed = spoken.approved.get(handed)
        approved = signed if signed and queries(s["problems"]) <= signed.queries else None
        opened = tuple(sorted(asks - answered))
        states.append(
            FileState(
                s["submission_id"], s["feed"], s["school_year"], *handed,
                state=_state(
                    s["state"], bool(opened), releasing or handed in spoken.published,
                    approved is not None, settings.require_approval,
                ),
                stands=stands and (approved is not None or not settings.require_approval),
                received_at=s["received_at"],
                rows_read=s["rows_read"],
                rows_landed=s["rows_landed"],
                rows_forgotten=s["rows_forgotten"],
                errors=grave.count("error"),
                queries=grave.count("query"),
                open_queries=opened,
                explained=tuple(answers),
                approved=approved,
                problems=s["problems"],
                asked=asked,
                sheets=s["sheets"],
            )
        )  # fmt: skip
    return states


def _state(standing: str, asked: bool, published: bool, approved: bool, required: bool) -> str:
    if standing != "landed":
        return standing
    if asked:
        return "awaiting_explanation"
    if required and not approved:
        return "checking"
    if published:
        return "published"
    return "district_approved" if approved else "landed"


@dataclass(frozen=True)
class Heard:
    """What was asked and said of each file, by its bytes."""

    asked: dict[Bytes, list[dict[str, Any]]] = field(default_factory=dict)
    """The queries between files that the last build found."""
    explained: dict[Bytes, list[Said]] = field(default_factory=dict)
    approved: dict[Bytes, Said] = field(default_factory=dict)
    """The last sign-off."""
    published: set[Bytes] = field(default_factory=set)


def heard(
    ledger: Ledger,
    states: Collection[str] = SPOKEN,
    feed: str | None = None,
    as_of: datetime | None = None,
) -> Heard:
    """What these events (all of `SPOKEN` by default) come to, of one feed or all."""
    come = Heard()
    for event in ledger.events(states, feed, as_of=as_of):
        handed = (event["source_file"], event["file_sha256"])
        match event["state"]:
            case "asked":
                come.asked[handed] = event["detail"]
            case "explained":
                come.explained.setdefault(handed, []).append(_said(event))
            case "district_approved":
                come.approved[handed] = _said(event)
            case "published":
                come.published.add(handed)
            case "unpublished":
                come.published.discard(handed)
    return come


def _said(event: Mapping[str, Any]) -> Said:
    seen = frozenset((str(a), str(b), str(c), str(d)) for a, b, c, d in event["detail"] or ())
    return Said(event["by"], event["at"], event["reason"], seen)


def by_file(problems: Iterable[Problem]) -> dict[str, list[dict[str, Any]]]:
    """Problems as the ledger keeps them, by the file that they name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for problem in problems:
        found.setdefault(problem.file, []).append(asdict(problem))
    return found


def query(problem: Mapping[str, Any]) -> Query:
    """What a query is known by, as long as it is the same."""
    rule = rules().get(problem["rule"])
    evidence = "｜".join(problem.get(name, "") for name in rule.evidence) if rule else ""
    return problem["rule"], problem.get("sheet", ""), problem.get("column", ""), evidence


def queries(problems: Iterable[Mapping[str, Any]]) -> frozenset[Query]:
    """The queries among problems as the ledger keeps them."""
    return frozenset(query(p) for p in problems if severity(p) == "query")


def taken_back(ledger: Ledger, feed: str | None = None) -> set[Bytes]:
    """What somebody took back, although it lies in the raw folder."""
    back: set[Bytes] = set()
    for event in ledger.events(TAKING_BACK, feed):
        handed = (event["source_file"], event["file_sha256"])
        (back.add if event["state"] == "taken_back" else back.discard)(handed)
    return back


def retired(ledger: Ledger, feed: str | None = None) -> set[tuple[str, str]]:
    """Feeds and school years whose time is over: no file of theirs is read or stands any more."""
    return {(e["feed"], e["detail"]["school_year"]) for e in ledger.events(["retired"], feed)}


def declared_replacements(ledger: Ledger, feed: str | None = None) -> list[Declared]:
    """Files under a new name that were declared to replace another one."""
    return [
        Declared(e["source_file"], e["detail"]["old"], frozenset(e["detail"]["digests"]))
        for e in ledger.events(["replaces"], feed)
    ]


def state_name(state: str, lang: str) -> str:
    """The word for a state in `zh` or `en`; an unknown one stays as it is."""
    return submission_state(state, translator(lang))


STATES = (
    "not_submitted", "received", "checking", "returned", "awaiting_explanation",
    "district_approved", "landed", "published",
)  # fmt: skip
"""The reporting states, as a file passes through them."""
PRESSING = (
    "returned", "awaiting_explanation", "received", "checking", "landed", "district_approved",
    "published",
)  # fmt: skip
"""States of files by what has to be done about them, the most pressing first."""
