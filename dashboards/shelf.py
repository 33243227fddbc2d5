"""What a release's site holds: each file, whose it is, and the forms in which it is sent.

The renderer writes the list, `site.json`, beside the site; the gate sends what stands on it and
nothing else. So no path that a viewer makes up ever reaches the disk, and whose a file is was said
where it was made.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import brotli

LIST = "site.json"
"""Name of the list, in the folder that holds `site/`."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".txt": "text/plain; charset=utf-8",
    ".zip": "application/zip",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SUFFIXES = {"br": ".br", "gzip": ".gz"}
"""Encodings beside the plain form, the preferred first, and what their files' names end with."""
_PACKED = {".html", ".css", ".js", ".csv", ".svg", ".json"}
_WORTH = 1024
_STATIC = "static/"

Owners = tuple[str, ...]
"""Keys of units from the city down, such as `city:370400`, `district:370402`; a file is seen by who
is of any of them. Of nobody in particular: empty, for everybody who signed in."""


@dataclass(frozen=True)
class Item:
    """A file of the site."""

    path: str
    owners: Owners
    size: int
    kind: str
    """Its content type."""
    tag: str
    """Hexadecimal digest of its content."""
    packed: Mapping[str, int]
    """Size by encoding, where it is smaller so."""

    @property
    def lasting(self) -> bool:
        """Whether its name changes with its content."""
        return self.path.startswith(_STATIC)

    @property
    def download(self) -> bool:
        """Whether it is a table to take away."""
        return self.path.startswith("downloads/")


class Shelf:
    """The files of one release, by the address under which each is asked for."""

    def __init__(self, items: Iterable[Item], fronts: Mapping[str, Mapping[str, str]]) -> None:
        self._items: dict[str, Item] = {}
        self._folders: dict[str, Item] = {}
        self._fronts = fronts
        files = list(items)
        self._count = len(files)
        for item in files:
            self._items[item.path] = item
            folder, slash, name = item.path.rpartition("/")
            if name == "index.html":
                self._items[folder + slash] = item
                if folder:
                    self._folders[folder] = item

    def find(self, address: str) -> Item | None:
        """What an address within the site means, letter by letter; a folder means its page."""
        return self._items.get(address)

    def folder(self, address: str) -> Item | None:
        """The page of a folder whose address lacks its last stroke."""
        return self._folders.get(address)

    def front(self, address: str, unit: str) -> str | None:
        """Where the front page of a unit lies, if the address is a front page; else none."""
        for language, pages in self._fronts.items():
            if address in (language, f"{language}index.html"):
                return pages.get(unit)
        return None

    def pages(self) -> list[Item]:
        """The front pages of all units, of the city first, then by path."""
        fronts = {path for pages in self._fronts.values() for path in pages.values()}
        return sorted((self._items[path] for path in fronts), key=lambda i: (len(i.owners), i.path))

    def __len__(self) -> int:
        # Asked with every request, whether there is such a list.
        return self._count


@dataclass(frozen=True)
class Filed:
    """What the list tells of a file beside whose it is."""

    size: int
    tag: str
    packed: Mapping[str, int]


def file_away(site: Path, path: str) -> Filed:
    """Write the packed forms of a file of a site, where they are worth it.

    Args:
        site: the rendered site.
        path: of the file in it.
    """
    content = (site / path).read_bytes()
    packed = {}
    if Path(path).suffix in _PACKED and len(content) >= _WORTH:
        for encoding, form in _pack(content, path.startswith(_STATIC)).items():
            if len(form) < 0.9 * len(content):
                target = site / f"{path}{SUFFIXES[encoding]}"
                target.unlink(missing_ok=True)
                target.write_bytes(form)
                packed[encoding] = len(form)
    return Filed(len(content), tag_of(content), packed)


def tag_of(content: bytes) -> str:
    """The tag of a file of this content."""
    return sha256(content).hexdigest()[:24]


def write_shelf(
    site: Path,
    owners: Mapping[str, Owners],
    fronts: Mapping[str, Mapping[str, str]],
    filed: Mapping[str, Filed] | None = None,
) -> list[Path]:
    """Write the list of a site's files; answers it and every packed form.

    Args:
        site: the rendered site.
        owners: whose each file is, by its path in the site.
        fronts: folder of a language → unit → address of its front page.
        filed: the files whose packed forms are written already; all others are filed away here.
    """
    known = filed or {}
    files = {path: known.get(path) or file_away(site, path) for path in sorted(owners)}
    told = {path: {"owners": owners[path], **asdict(one)} for path, one in files.items()}
    target = site.with_name(LIST)
    text = json.dumps({"files": told, "fronts": fronts}, ensure_ascii=False, sort_keys=True)
    target.write_text(text + "\n", encoding="utf-8")
    packed = [site / f"{path}{SUFFIXES[e]}" for path, one in files.items() for e in one.packed]
    return [*packed, target]


def _pack(content: bytes, lasting: bool) -> dict[str, bytes]:
    """The packed forms: with more patience for what is kept for ever."""
    return {
        "br": brotli.compress(content, quality=11 if lasting and len(content) < 1 << 18 else 6),
        "gzip": gzip.compress(content, 9, mtime=0),
    }


def read_shelf(release: Path) -> Shelf | None:
    """The list of a release; none where there is none, as of a release made before lists were.

    Args:
        release: the folder that holds `site/`.
    """
    try:
        content = json.loads((release / LIST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    items = [
        Item(
            path,
            tuple(one["owners"]),
            one["size"],
            TYPES.get(Path(path).suffix, "application/octet-stream"),
            one["tag"],
            one["packed"],
        )
        for path, one in content["files"].items()
    ]
    return Shelf(items, content["fronts"])
