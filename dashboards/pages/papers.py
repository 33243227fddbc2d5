"""Papers as pages name them and put them in order."""

from collections.abc import Iterable

from dashboards.pages.base import Row
from dashboards.pages.sentences import Teller
from pipelines.wording.labels import SUBJECT_ORDER, rank, subject_name

Paper = tuple[int, str]
"""Grade and subject."""
LAST_GRADES = (6, 9, 12)
"""The grades that end a stage, as most cities have them."""
CORE = ("mathematics", "chinese", "english")
"""The subjects whose papers are shown by themselves, the first that there is."""


def paper_of(row: Row) -> Paper:
    """The paper that a row is of."""
    return row["grade"], row["subject"]


def band_of(row: Row) -> str:
    """How the point of a result is drawn, by where its interval stands to 0."""
    return row["stands"] if row["stands"] in ("above", "below") else "as_expected"


def in_order(papers: Iterable[Paper]) -> list[Paper]:
    """Each once, by grade, then in the order of subjects."""
    return sorted(set(papers), key=lambda paper: (paper[0], rank(paper[1], SUBJECT_ORDER)))


def paper_name(tell: Teller, paper: Paper) -> str:
    """Grade and subject."""
    grade = tell.words.gettext("Grade %(grade)s") % {"grade": paper[0]}
    return f"{grade} {subject_name(paper[1], tell.words)}"


def main_papers(papers: Iterable[Paper]) -> list[Paper]:
    """Of each stage one paper: that of its highest grade in the first core subject that has any."""
    known = in_order(papers)
    subject = next((one for one in CORE if any(s == one for _, s in known)), None)
    if subject is None:
        subject = known[0][1] if known else ""
    grades = [grade for grade, of in known if of == subject]
    found, before = [], 0
    for last in LAST_GRADES:
        within = [grade for grade in grades if before < grade <= last]
        if within:
            found.append((max(within), subject))
        before = last
    return found
