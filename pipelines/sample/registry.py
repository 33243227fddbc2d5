"""What a mess is, and the list of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.feeds import load_contracts
from pipelines.sample.draft import FORMATS, Draft

SHAPE, WRONG, WORDS, TEXTURE, HEADS, SHEETS, LAYOUT, FILE = range(8)
"""In this order messes are put in: each finds the draft as the ones before left it."""

Act = Callable[[Draft], bool]
"""Changes the draft and says whether there was anything to change."""


@dataclass(frozen=True)
class Mess:
    """One way in which a real file differs from a clean one."""

    id: str
    says: str
    """One line, for the manifest and for who reads a test's outcome."""
    feeds: frozenset[str]
    """Feeds whose files may have it (if they hold anything that it touches)."""
    formats: frozenset[str]
    """Forms of files that may have it."""
    rule: str | None
    """Rule that the intake names: of the error, or of the note or query that may come of it."""
    refused: bool
    """Whether a file that has it is refused."""
    order: int
    slots: frozenset[str]
    """Of messes that share a slot a file has one only."""
    act: Act

    @property
    def expected(self) -> str:
        """`same`: the same rows are landed; otherwise the rule for which the file is refused."""
        return self.rule or "" if self.refused else "same"


CATALOGUE: dict[str, Mess] = {}
"""All messes by id, in the order in which they were written down."""


def mess(
    name: str,
    says: str,
    order: int,
    *,
    slot: str = "",
    feeds: frozenset[str] | None = None,
    formats: frozenset[str] = FORMATS,
    rule: str | None = None,
    refused: bool = False,
) -> Callable[[Act], Act]:
    """Put a function into the catalogue as the mess of that id; for the rest see `Mess`.

    `slot` may name several, parted by blanks. No feeds means all.
    """
    slots = frozenset({*slot.split(), *(("files", "error") if refused else ())})

    def enter(act: Act) -> Act:
        if name in CATALOGUE:
            raise ValueError(f"two messes are called {name}")
        CATALOGUE[name] = Mess(
            name, says, ALL if feeds is None else feeds, formats, rule, refused, order, slots, act
        )
        return act

    return enter


ALL = frozenset(load_contracts())


def having(*names: str) -> frozenset[str]:
    """Feeds with all of these columns."""
    return frozenset(
        feed for feed, c in load_contracts().items() if set(names) <= {x.name for x in c.columns}
    )


def with_type(*types: str) -> frozenset[str]:
    """Feeds with a column of one of these types."""
    return frozenset(
        feed for feed, c in load_contracts().items() if any(x.type in types for x in c.columns)
    )


RESULTS = frozenset({"monitoring_results"})
ITEMS = frozenset({"item_results"})
