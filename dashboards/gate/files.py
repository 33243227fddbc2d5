"""Files of the releases, to who may see them: the part of the gate that every request goes through.

A plain WSGI application, since it answers nearly all requests: one question to the database, one
look into the release's list, one file. Outside the viewer's scope the answer is that of a page that
does not exist, by the same way.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.wsgi import FileWrapper

from dashboards.gate.accounts import Accounts, Viewer
from dashboards.gate.audit import AuditLog, Tally
from dashboards.gate.pages import HEADERS, plain
from dashboards.shelf import SUFFIXES, Item, Shelf, read_shelf
from pipelines.life import FILE, Life, read_life

Answer = Iterable[bytes]
Headers = list[tuple[str, str]]

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ASKED = re.compile(r"r=([A-Za-z0-9][A-Za-z0-9_-]{0,63})")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_KEPT_SHELVES = 8
_LONGEST_NEXT = 300


class Shelves:
    """The releases of a home, each with the list of its files, read once: releases never change."""

    def __init__(self, home: Path) -> None:
        self._releases, self._current = home / "releases", home / "current"
        self._known: OrderedDict[str, Shelf] = OrderedDict()
        self._life: tuple[tuple[int, int, int] | None, Life] = (None, Life())

    def life(self) -> Life:
        """What became of the releases; read anew when it was written anew.

        Raises:
            ValueError: it is not as it was written; then nothing can be said of who may see what.
        """
        try:
            found = os.stat(self._releases / FILE)  # noqa: PTH116 quicker
        except FileNotFoundError:
            return Life()
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._life[0] != mark:
            self._life = mark, read_life(self._releases)
        return self._life[1]

    def served(self, viewer: Viewer, now: float) -> str:
        """Name of the release that somebody sees now; empty where there is none for them."""
        current = self.current()
        return current if viewer.of_centre else self.life().public(current, now)

    def open_to(self, viewer: Viewer, release: str, now: float) -> bool:
        """Whether somebody may know of a release: no embargo, or of the centre."""
        return viewer.of_centre or self.life().seen(release, now)

    def current(self) -> str:
        """Name of the release that is served now; empty before the first."""
        try:
            name = os.path.basename(os.readlink(self._current))  # noqa: PTH115, PTH119 quicker
        except OSError:
            return ""
        return name if _RELEASE.fullmatch(name) else ""

    def shelf(self, release: str) -> Shelf | None:
        """The files of a release; none where there is none of that name, or one without a list."""
        known = self._known.get(release)
        if known is not None:
            return known
        folder = self._releases / release
        if not _RELEASE.fullmatch(release) or not (folder / "release.json").is_file():
            return None
        read = read_shelf(folder)
        if read is not None:
            self._known[release] = read
            while len(self._known) > _KEPT_SHELVES:
                self._known.popitem(last=False)
        return read

    def latest(self) -> list[str]:
        """Names of the newest releases, by the time they were made."""
        with os.scandir(self._releases) as entries:
            found = [(e.stat().st_mtime, e.name) for e in entries if _RELEASE.fullmatch(e.name)]
        return [name for _, name in sorted(found, reverse=True)[:_KEPT_SHELVES]]

    def file(self, release: str, path: str) -> str:
        """Where a file of a release's site lies."""
        return f"{self._releases}/{release}/site/{path}"


class Files:
    """The WSGI application over the releases of a home."""

    def __init__(
        self,
        shelves: Shelves,
        accounts: Accounts,
        audit: AuditLog,
        *,
        clock: Callable[[], float],
        cookie: "Cookie",
        by_nginx: bool = False,
        extra: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._shelves, self._accounts, self._audit = shelves, accounts, audit
        self._clock, self._cookie, self._by_nginx = clock, cookie, by_nginx
        self._always = [*HEADERS.items(), *extra]
        self._refusals = Tally()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Answer:
        method = environ["REQUEST_METHOD"]
        head = method == "HEAD"
        if method != "GET" and not head:
            return self.plain(405, start)
        token = self._cookie.read(environ.get("HTTP_COOKIE", ""))
        viewer = self._accounts.who(token) if token else None
        if viewer is None:
            return self._to_the_door(environ, start)
        more: Headers = []
        if viewer.renew:
            renewed = self._accounts.renew(viewer)
            more = [("Set-Cookie", self._cookie.given(renewed))] if renewed else []
        try:
            # Servers hand over the bytes of the path as Latin-1.
            address = environ.get("PATH_INFO", "").encode("latin-1").decode()[1:]
        except UnicodeError:
            return self._not_found(environ, viewer, start, head, more)
        now = self._clock()
        served = self._shelves.served(viewer, now)
        release, permanent = "", ""
        if address.startswith("r/"):
            release, stroke, address = address[2:].partition("/")
            permanent = f"/r/{release}"
            if not self._shelves.open_to(viewer, release, now):
                return self._not_found(environ, viewer, start, head, more)
            if not stroke and self._shelves.shelf(release):
                return self._redirect(start, "308 Permanent Redirect", f"{permanent}/", more)
            if not stroke or not release:
                return self._not_found(environ, viewer, start, head, more)
        elif environ.get("QUERY_STRING"):
            asked = _ASKED.fullmatch(environ["QUERY_STRING"])
            release = asked[1] if asked else ""
            if release and not self._shelves.open_to(viewer, release, now):
                return self._not_found(environ, viewer, start, head, more)
        if not release:
            release = served
            if not release:
                return self.plain(503, start, head, more)
        shelf = self._shelves.shelf(release)
        if shelf is None:
            # Older than the list of files, or none: without a list nobody's files are known.
            if not permanent and release == served:
                return self.plain(503, start, head, more)
            return self._not_found(environ, viewer, start, head, more)
        item = shelf.find(address)
        if item is not None and (not item.owners or viewer.unit in item.owners):
            if permanent and release != served:
                more = [*more, ("Link", f'</{quote(address)}>; rel="latest-version"')]
            return self._send(environ, start, viewer, release, item, head, more)
        front = shelf.front(address, viewer.unit)
        if front is not None:
            return self._redirect(start, "303 See Other", f"{permanent}/{_folder(front)}", more)
        folder = shelf.folder(address)
        if folder is not None and viewer.unit in folder.owners:
            # Relative links of the page need the stroke.
            there = f"{permanent}/{quote(address)}/"
            return self._redirect(start, "308 Permanent Redirect", there, more)
        return self._static_of_another(environ, start, viewer, address, head, more)

    def fits(self, viewer: Viewer, address: str) -> bool:
        """Whether an address is a page of the newest release that this viewer may see."""
        shelf = self._shelves.shelf(self._shelves.served(viewer, self._clock()))
        item = shelf.find(address) if shelf else None
        return item is not None and item.kind.startswith("text/html") and viewer.unit in item.owners

    def plain(
        self, code: int, start: StartResponse, head: bool = False, more: Iterable[Any] = ()
    ) -> Answer:
        """A page of one sentence."""
        page = plain(code)
        length = ("Content-Length", str(len(page.body)))
        start(page.status, [*page.headers, length, *self._always, *more])
        return [] if head else [page.body]

    def _to_the_door(self, environ: WSGIEnvironment, start: StartResponse) -> Answer:
        """Whoever is not signed in goes to the sign-in, whatever was asked for."""
        path = environ.get("PATH_INFO", "")
        try:
            wanted = quote(path.encode("latin-1").decode(), safe="/")
        except UnicodeError:
            wanted = "/"
        door = "/gate/sign-in"
        if wanted != "/" and len(wanted) <= _LONGEST_NEXT:
            door += f"?next={wanted}"
        return self._redirect(start, "303 See Other", door, ())

    def _redirect(
        self, start: StartResponse, status: str, there: str, more: Iterable[Any]
    ) -> Answer:
        headers = [("Location", there), ("Content-Length", "0"), ("Cache-Control", "no-store")]
        start(status, [*headers, *self._always, *more])
        return []

    def _static_of_another(
        self,
        environ: WSGIEnvironment,
        start: StartResponse,
        viewer: Viewer,
        address: str,
        head: bool,
        more: Headers,
    ) -> Answer:
        """A script of a page that was opened before the newest release: by name it is that one."""
        if address.startswith("static/"):
            for release in self._shelves.latest():
                shelf = self._shelves.shelf(release)
                item = shelf.find(address) if shelf else None
                if item is not None and item.lasting and not item.owners:
                    return self._send(environ, start, viewer, release, item, head, more)
        return self._not_found(environ, viewer, start, head, more)

    def _not_found(
        self,
        environ: WSGIEnvironment,
        viewer: Viewer,
        start: StartResponse,
        head: bool,
        more: Iterable[Any],
    ) -> Answer:
        count = self._refusals.count(viewer.account, int(self._clock()))
        if count is not None:
            path = (
                environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
            )
            address = environ.get("REMOTE_ADDR", "")
            self._audit.tell("not_found", viewer.account, address, path=path, count=count)
        return self.plain(404, start, head, more)

    def _send(
        self,
        environ: WSGIEnvironment,
        start: StartResponse,
        viewer: Viewer,
        release: str,
        item: Item,
        head: bool,
        more: Headers,
    ) -> Answer:
        encoding, size = "", item.size
        wanted = environ.get("HTTP_RANGE")
        if item.packed and not wanted:
            accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
            for name, packed in item.packed.items():
                if name in accepted and _accepts(accepted, name):
                    encoding, size = name, packed
                    break
        tag = f'"{item.tag}{"-" + encoding if encoding else ""}"'
        headers: Headers = [
            ("Content-Type", item.kind),
            ("ETag", tag),
            (
                "Cache-Control",
                "private, max-age=31536000, immutable" if item.lasting else "private, no-cache",
            ),
            ("Vary", "Accept-Encoding, Cookie"),
            ("Accept-Ranges", "bytes"),
            *self._always,
            *more,
        ]
        if encoding:
            headers.append(("Content-Encoding", encoding))
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and (known == "*" or _same(known, item.tag)):
            start("304 Not Modified", headers)
            return []
        status, first, length = "200 OK", 0, size
        if wanted:
            condition = environ.get("HTTP_IF_RANGE")
            part = _part(wanted, size) if condition in (None, tag) else None
            if part == ():
                headers.append(("Content-Range", f"bytes */{size}"))
                page = plain(416)
                headers[0] = ("Content-Type", "text/html; charset=utf-8")
                headers.append(("Content-Length", str(len(page.body))))
                start(page.status, headers)
                return [] if head else [page.body]
            if part:
                first, length = part
                status = "206 Partial Content"
                last = first + length - 1
                headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        if item.download and not head:
            address = environ.get("REMOTE_ADDR", "")
            told = {"path": item.path, "release": release}
            self._audit.tell("downloaded", viewer.account, address, **told)
        if self._by_nginx:
            # It opens the file itself, looks for the packed form beside it and cuts out parts.
            own = [(k, v) for k, v in headers if k not in _NGINX_SETS]
            own.append(("X-Accel-Redirect", quote(f"/sent/{release}/site/{item.path}")))
            start("200 OK", own)
            return []
        path = self._shelves.file(release, item.path)
        try:
            file = open(path + SUFFIXES.get(encoding, ""), "rb")  # noqa: SIM115, PTH123 closed by the server
        except FileNotFoundError:
            # Pruned while it was asked for.
            return self._not_found(environ, viewer, start, head, more)
        headers.append(("Content-Length", str(length)))
        if head:
            file.close()
            start(status, headers)
            return []
        if first or length < size:
            file.seek(first)
            start(status, headers)
            return _Part(file, length)
        start(status, headers)
        wrapper: Callable[..., Answer] = environ.get("wsgi.file_wrapper", FileWrapper)
        return wrapper(file, 1 << 18)


class Cookie:
    """The session's cookie: its name, how it is read, and how it is given and taken away."""

    def __init__(self, secure: bool) -> None:
        # The prefix makes browsers refuse one that another host or an open line planted.
        self.name = "__Host-eqm" if secure else "eqm"
        self._rest = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self._shown = "; Path=/; SameSite=Lax" + ("; Secure" if secure else "")
        self._start = f"{self.name}="

    def read(self, header: str) -> str:
        """What the cookie holds; empty where it is not there or can't be one of ours."""
        for part in header.split(";"):
            part = part.strip()
            if part.startswith(self._start):
                value = part[len(self._start) :]
                return value if 40 <= len(value) <= 50 and value.isascii() else ""
        return ""

    def given(self, token: str) -> str:
        """The header that gives it, until the browser is closed."""
        return f"{self._start}{token}{self._rest}"

    @property
    def taken(self) -> str:
        """The header that takes it away."""
        return f"{self._start}; Max-Age=0{self._rest}"

    def mark(self, signed_in: bool) -> str:
        """A second one that scripts may see, so that a page shows the way out; it opens nothing."""
        return f"eqm-in={'1' if signed_in else '; Max-Age=0'}{self._shown}"


class _Part:
    """A part of an open file."""

    def __init__(self, file: Any, length: int) -> None:
        self._file, self._left = file, length

    def __iter__(self) -> "_Part":
        return self

    def __next__(self) -> bytes:
        data: bytes = self._file.read(min(self._left, 1 << 16))
        if not data:
            raise StopIteration
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


_NGINX_SETS = {"ETag", "Content-Encoding", "Accept-Ranges", "Content-Range", "Content-Length"}


def _folder(path: str) -> str:
    """The address of a front page, without the file's name."""
    return path.removesuffix("index.html")


def _accepts(header: str, encoding: str) -> bool:
    """Whether an encoding is named with a weight that is not 0."""
    for part in header.split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip().lower() == encoding:
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _same(header: str, tag: str) -> bool:
    """Whether one of the tags that a browser knows is of this content, in whatever form."""
    for part in header.split(","):
        known = part.strip().removeprefix("W/").strip('"')
        if known.partition("-")[0] == tag:
            return True
    return False


def _part(header: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """First byte and length of the one part asked for; none: send the whole; empty: there is none.

    Several parts at once are answered with the whole, as the standard allows.
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if not found or found[1] == found[2] == "":
        return None
    if found[1] == "":
        length = min(int(found[2]), size)
        return (size - length, length) if length else ()
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return (first, last - first + 1) if first < size else ()
