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

What people say is attached to the bytes handed in (path and SHA-256), not to a reading of them, so
it outlives a new version of the rules. An explanation answers the queries that it saw, each known
by rule, sheet and column (and the other file, where two files differ): a query that comes up later
is open. A sign-off holds as long as the file itself has no query that it did not see (queries
between files come and go with the other file).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.intake.ledger import Ledger, severity
from pipelines.intake.problems import Problem
from pipelines.settings import Settings
from pipelines.wording import translator

Bytes = tuple[str, str]
"""What was handed in: path within the raw folder, SHA-256."""
Query = tuple[str, str, str, str]
"""A query of a file: rule, sheet, column, and the other file where there is one."""
SPOKEN = ("explained", "district_approved", "published", "unpublished")
"""Events that decide where a file is in the workflow."""
TAKING_BACK = ("taken_back", "given_back")


@dataclass(frozen=True)
class Said:
    """What a person said of a file."""

    by: str
    at: datetime
    reason: str
    queries: frozenset[Query]
    """The queries that the file had then."""


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
    errors: int
    """Problems, equal ones folded into one."""
    queries: int
    open_queries: tuple[Query, ...] = ()
    explained: Said | None = None
    """The latest explanation."""
    approved: Said | None = None
    """The sign-off that holds."""
    problems: list[dict[str, Any]] = field(default_factory=list, repr=False)
    sheets: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def bytes(self) -> Bytes:
        """What was handed in."""
        return self.source_file, self.file_sha256

    @property
    def present(self) -> bool:
        """Whether it counts: its rows are landed, or it waits to be mended."""
        return self.state not in ("replaced", "withdrawn")

    def as_row(self) -> dict[str, Any]:
        """As a row of `ops.submission` and of reports: flat, problems as numbers."""
        said, signed = self.explained, self.approved
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
            "problems": len(self.problems),
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
    between: Iterable[Problem] = (),
    as_of: datetime | None = None,
    serving: Collection[Bytes] | None = None,
) -> list[FileState]:
    """Every submission with its state, by feed, path and time.

    Args:
        settings: whether approval is required.
        ledger: of the home.
        between: queries between files, each the newer file's.
        as_of: the moment to tell of (UTC); now by default.
        serving: what the release that is being made is made from, in place of what was published
            before.
    """
    said, approvals, published = _spoken(ledger, as_of)
    if serving is not None:
        published = set(serving)
    asked: dict[str, list[dict[str, Any]]] = {}
    for problem in between:
        one = {"rule": problem.rule, "file": problem.file, "column": problem.column}
        asked.setdefault(problem.file, []).append({**one, "expected": problem.expected})
    states = []
    for s in ledger.submissions(as_of=as_of):
        handed = (s["source_file"], s["file_sha256"])
        stands = s["state"] == "landed"
        problems = [*s["problems"], *(asked.get(s["source_file"], []) if stands else [])]
        grave = [severity(problem) for problem in problems]
        asks = {query(p) for p, g in zip(problems, grave, strict=True) if g == "query"}
        answers = said.get(handed, [])
        answered = frozenset[Query]().union(*(a.queries for a in answers))
        signed = approvals.get(handed)
        approved = signed if signed and queries(s["problems"]) <= signed.queries else None
        opened = tuple(sorted(asks - answered))
        states.append(
            FileState(
                s["submission_id"], s["feed"], s["school_year"], *handed,
                state=_state(
                    s["state"], bool(opened), handed in published, approved is not None,
                    settings.require_approval,
                ),
                stands=stands and (approved is not None or not settings.require_approval),
                received_at=s["received_at"],
                rows_read=s["rows_read"],
                rows_landed=s["rows_landed"],
                errors=grave.count("error"),
                queries=grave.count("query"),
                open_queries=opened,
                explained=answers[-1] if answers else None,
                approved=approved,
                problems=s["problems"],
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


def _spoken(
    ledger: Ledger, as_of: datetime | None
) -> tuple[dict[Bytes, list[Said]], dict[Bytes, Said], set[Bytes]]:
    """Explanations, the last sign-off of each file, and what is published."""
    said: dict[Bytes, list[Said]] = {}
    approved: dict[Bytes, Said] = {}
    published: set[Bytes] = set()
    for event in ledger.events(SPOKEN, as_of=as_of):
        handed = (event["source_file"], event["file_sha256"])
        seen = frozenset((str(a), str(b), str(c), str(d)) for a, b, c, d in event["detail"] or ())
        told = Said(event["by"], event["at"], event["reason"], seen)
        match event["state"]:
            case "explained":
                said.setdefault(handed, []).append(told)
            case "district_approved":
                approved[handed] = told
            case "published":
                published.add(handed)
            case _:
                published.discard(handed)
    return said, approved, published


def approved_bytes(ledger: Ledger, as_of: datetime | None = None) -> dict[Bytes, frozenset[Query]]:
    """What was signed off, with the queries that it had then."""
    return {handed: said.queries for handed, said in _spoken(ledger, as_of)[1].items()}


def query(problem: Mapping[str, Any]) -> Query:
    """What a query is known by, as long as it is the same."""
    other = problem.get("expected", "") if problem["rule"] == "differs_between_files" else ""
    return problem["rule"], problem.get("sheet", ""), problem.get("column", ""), other


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


def declared_replacements(ledger: Ledger, feed: str | None = None) -> list[Declared]:
    """Files under a new name that were declared to replace another one."""
    return [
        Declared(e["source_file"], e["detail"]["old"], frozenset(e["detail"]["digests"]))
        for e in ledger.events(["replaces"], feed)
    ]


def state_name(state: str, lang: str) -> str:
    """The word for a state in `zh` or `en`; an unknown one stays as it is."""
    t = translator(lang).gettext
    return {
        "not_submitted": t("Not submitted"),
        "received": t("Received"),
        "checking": t("Being checked"),
        "returned": t("Returned for correction"),
        "awaiting_explanation": t("Explanation awaited"),
        "district_approved": t("Approved by the district"),
        "landed": t("Landed"),
        "published": t("Published"),
        "replaced": t("Replaced by a newer file"),
        "withdrawn": t("Withdrawn"),
    }.get(state, state)


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
