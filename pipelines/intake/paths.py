"""A file's path as everything outside the raw folder knows it: no student's number or name in it.

A number is known by its form, so it is never shown. A name is known only where the file's own rows
hold it, so from the first reading on. In place of either stands a mark; a few letters before the
ending, which the pseudonym key decides, tell two such paths apart.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.privacy import is_known
from pipelines.intake.problems import LONG_NUMBER

ENDING = re.compile(r"(\.[0-9a-f]{16})?\.[^./]*$")
"""The suffix, and before it the submission that a return workbook answers."""
TAGGED = re.compile(r"~[0-9a-f]{6}$")
WIDE = {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B)}
"""Full-width letters and digits."""
HAN = re.compile("[\u3400-\u9fff]")
RUN = re.compile("[\u3400-\u9fff·0-9A-Za-z]+")
"""What a Chinese name may stand in; of two students of one name one is often called 张伟2."""
LATIN = re.compile("[A-Za-z][A-Za-z ']*[A-Za-z]")
NAME_CHARACTERS = range(2, 6)
"""So long is a Chinese name; one with a dot is a run of its own."""
LATIN_PARTS = 4
"""Of so many words is a name in Latin letters, at most."""
HIDDEN = "□□"


@dataclass(frozen=True)
class Paths:
    """How the paths of a raw folder are told."""

    key: bytes
    """Of the pseudonyms."""
    named: Mapping[str, str] = field(default_factory=dict)
    """What `key_of` answers for paths that hold a name → how they are told."""

    def key_of(self, path: str) -> str:
        """What a path is known by, whatever is shown of it."""
        return hmac.new(self.key, path.encode(), hashlib.sha256).hexdigest()[:32]

    def told(self, path: str) -> str:
        """A path within the raw folder, as it is shown. One that is shown already stays."""
        known = self.named.get(self.key_of(path)) if self.named else None
        return known or self._marked(path, path)

    def without(self, path: str, names: Iterable[str]) -> str:
        """A path as it is shown from now on, where these names are in it."""
        shown = self.told(path)
        for name in sorted(names, key=len, reverse=True):
            shown = re.sub(re.escape(name), HIDDEN, shown, flags=re.IGNORECASE)
        return self._marked(path, shown)

    def _marked(self, path: str, shown: str) -> str:
        ending = ENDING.search(shown)
        at = ending.start() if ending else len(shown)
        head, tail = shown[:at], shown[at:]
        plain = head.translate(WIDE)
        for number in reversed(list(re.finditer(LONG_NUMBER, plain))):
            head = f"{head[: number.start()]}…{number[1]}{head[number.end() :]}"
        if head + tail == path or TAGGED.search(head):
            return head + tail
        return f"{head}~{self.key_of(path)[:6]}{tail}"


def possible_names(path: str) -> set[str]:
    """What in the folders and name of a file might be somebody's name."""
    own = "/".join(path.split("/")[2:])
    ending = ENDING.search(own)
    own = own[: ending.start()] if ending else own
    found: set[str] = set()
    for run in LATIN.findall(own):
        words = list(re.finditer("[A-Za-z']+", run))
        for i, first in enumerate(words):
            found |= {run[first.start() : last.end()] for last in words[i : i + LATIN_PARTS]}
    for run in RUN.findall(own):
        within = {run[i : i + n] for n in NAME_CHARACTERS for i in range(len(run) - n + 1)}
        found |= {word for word in (run, *within) if HAN.search(word)}
    return {word for word in found if len(word) > 1 and not is_known(word)}


def names_within(path: str, columns: Collection[pa.ChunkedArray]) -> set[str]:
    """Those names in some columns of a file that stand in its path, too."""
    possible = {"".join(word.split()).casefold(): word for word in possible_names(path)}
    if not possible or not columns:
        return set()
    asked = pa.array(list(possible), pa.string())
    found: set[str] = set()
    for column in columns:
        plain = pc.utf8_lower(pc.replace_substring_regex(column, r"\s", ""))
        found |= set(plain.filter(pc.is_in(plain, asked)).unique().to_pylist())
    return {possible[name] for name in found}
