"""Who may see what: accounts, sign-ins, sessions, one-time links; each change is in the audit log.

A viewer is of the city, of one district or of one school, and of nothing else. What a session may
see is looked up with it at every request, so a grant or an end takes effect at the next one.
"""

import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import sqlalchemy as sa

from dashboards.gate.audit import AuditLog, Tally
from dashboards.gate.passwords import LEAST, MOST, Busy, Desk, new_password, outdated
from dashboards.gate.store import ACCOUNT, ATTEMPT, LINK, SESSION, Store
from pipelines.settings import Settings

LEVELS = ("city", "district", "school")
ACCOUNT_TRIES, ADDRESS_TRIES, WINDOW = 5, 30, 15 * 60
"""So many wrong sign-ins of one account, or from one address, in so many seconds; then no more."""
ROTATE, GRACE = 15 * 60, 60
"""Seconds after which a session takes on a new id, and how long the old one still counts."""
LINK_SECONDS = 3600
_SEEN = 60
_NAME = re.compile(r"[\w.@-]{2,64}")
_CODE = re.compile(r"[0-9A-Za-z_-]{1,64}")


class AccountError(ValueError):
    """An account can't be changed so; the text says why."""


class Refused(Exception):
    """A sign-in that was not let in."""


class Locked(Refused):
    """Too many were tried, of that account or from that address."""


@dataclass(frozen=True)
class Scope:
    """The one unit whose pages, and those of the units in it, somebody may see."""

    level: str
    unit_code: str

    @property
    def key(self) -> str:
        """As a release's shelf names the unit."""
        return f"{self.level}:{self.unit_code}"

    @classmethod
    def read(cls, text: str, city_code: str) -> "Scope":
        """From `city`, `district:370402` or `school:3137000001`.

        Raises:
            AccountError: it is none of these.
        """
        level, _, code = text.partition(":")
        code = code or (city_code if level == "city" else "")
        if level not in LEVELS or not _CODE.fullmatch(code):
            raise AccountError(f"no scope {text!r}; write city, district:CODE or school:CODE")
        if level == "city" and code != city_code:
            raise AccountError(f"the city's code is {city_code}, not {code}")
        return cls(level, code)


class Viewer(NamedTuple):
    """Who asks, by a session that holds."""

    account: str
    unit: str
    """Key of the unit of the scope."""
    family: str
    digest: str
    renew: bool
    """Whether the session is due to take on a new id."""

    @property
    def of_centre(self) -> bool:
        """Whether it is somebody of the city, who sees releases before others do."""
        return self.unit.startswith("city:")


@dataclass(frozen=True)
class Listed:
    """An account as it is listed."""

    name: str
    scope: str
    state: str
    """`active`, `disabled` or `demonstration`."""
    way: str
    """How it signs in: `password` or `provider`."""
    made_at: int
    signed_in_at: int | None


class Accounts:
    """The accounts and sessions of a gate."""

    def __init__(
        self, settings: Settings, store: Store, audit: AuditLog, clock: Callable[[], float]
    ) -> None:
        self._store, self._audit, self._clock = store, audit, clock
        self._production = settings.env == "production"
        self._idle = settings.session_minutes * 60
        self._longest = settings.session_hours * 3600
        self._desk, self._desk_of_known = Desk(strangers=True), Desk(strangers=False)
        self._refusals = Tally()
        self._who = store.question(
            sa.select(
                SESSION.c.account, ACCOUNT.c.level, ACCOUNT.c.unit_code, SESSION.c.family,
                SESSION.c.issued_at, SESSION.c.seen_at, SESSION.c.ends_at, SESSION.c.replaced,
                ACCOUNT.c.disabled, ACCOUNT.c.demonstration,
            )
            .join_from(SESSION, ACCOUNT, ACCOUNT.c.name == SESSION.c.account)
            .where(SESSION.c.digest == sa.bindparam("digest"))
        )  # fmt: skip

    # Accounts

    def add(
        self,
        name: str,
        scope: Scope,
        reason: str,
        by: str,
        *,
        provider: bool = False,
        demonstration: bool = False,
    ) -> str:
        """Add an account; answers its new password, or nothing for one of the city's provider.

        Raises:
            AccountError: there is one of that name, or the name or the reason won't do.
        """
        name = named(name)
        _reasoned(reason)
        if demonstration and self._production:
            raise AccountError("no demonstration in production")
        password = "" if provider else new_password()
        kept = self._kept(password) if password else ""
        with self._store.write() as con:
            if self._account(con, name) is not None:
                raise AccountError(f"there is an account {name} already")
            con.execute(
                sa.insert(ACCOUNT).values(
                    name=name, password=kept, level=scope.level, unit_code=scope.unit_code,
                    demonstration=demonstration, made_at=self._now(),
                )
            )  # fmt: skip
            way = "provider" if provider else "password"
            told = {"account": name, "scope": scope.key, "reason": reason, "way": way}
            self._audit.add(con, "account_added", by, **told)
        return password

    def grant(self, name: str, scope: Scope, reason: str, by: str) -> None:
        """Let an account see another unit; its sessions end.

        Raises:
            AccountError: there is none of that name.
        """
        with self._changed(name, reason) as (con, name, account):
            before = f"{account['level']}:{account['unit_code']}"
            told = {"account": name, "scope": scope.key, "before": before, "reason": reason}
            self._set(con, name, level=scope.level, unit_code=scope.unit_code)
            self._audit.add(con, "account_granted", by, **told)

    def disable(self, name: str, reason: str, by: str, undo: bool = False) -> None:
        """Let nobody in by an account any more, or again; its sessions end.

        One of the city's provider that is let in again is bound to whom the provider names next.

        Raises:
            AccountError: there is none of that name.
        """
        with self._changed(name, reason) as (con, name, _account):
            rebound: dict[str, Any] = {"subject": ""} if undo else {}
            self._set(con, name, disabled=not undo, **rebound)
            event = "account_enabled" if undo else "account_disabled"
            self._audit.add(con, event, by, account=name, reason=reason)

    def new_password(self, name: str, reason: str, by: str) -> str:
        """Give an account a new password, and answer it; its sessions end, and so does a lock.

        Raises:
            AccountError: there is none of that name, or it signs in at the city's provider.
        """
        password = new_password()
        kept = self._kept(password)
        with self._changed(name, reason) as (con, name, account):
            if not account["password"]:
                raise AccountError(f"{name} signs in at the city's provider")
            self._set(con, name, password=kept)
            con.execute(sa.delete(ATTEMPT).where(ATTEMPT.c.key == f"account:{name}"))
            self._audit.add(con, "password_renewed", by, account=name, reason=reason)
        return password

    def change_password(self, viewer: Viewer, old: str, new: str, address: str) -> bool:
        """Change one's own password; the other sessions of the account end. False: refused.

        Raises:
            Locked, Busy: as in `sign_in`.
        """
        if not LEAST <= len(new) <= MOST or not self._checked(
            viewer.account, old, address, viewer.family
        ):
            return False
        kept = self._kept(new)
        with self._store.write() as con:
            con.execute(
                sa.update(ACCOUNT).where(ACCOUNT.c.name == viewer.account).values(password=kept)
            )
            others = (SESSION.c.account == viewer.account) & (SESSION.c.family != viewer.family)
            con.execute(sa.delete(SESSION).where(others))
            self._audit.add(con, "password_changed", viewer.account, address)
        return True

    def has_password(self, viewer: Viewer) -> bool:
        """Whether somebody signs in by a password, not at the city's provider."""
        with self._store.read() as con:
            account = self._account(con, viewer.account)
        return bool(account and account["password"])

    def list(self) -> list[Listed]:
        """All accounts, by name."""
        with self._store.read() as con:
            rows = con.execute(sa.select(ACCOUNT).order_by(ACCOUNT.c.name)).mappings().all()
        return [
            Listed(
                r["name"],
                f"{r['level']}:{r['unit_code']}",
                _state(r),
                "password" if r["password"] else "provider",
                r["made_at"],
                r["signed_in_at"],
            )
            for r in rows
        ]

    # Signing in and out

    def sign_in(self, name: str, password: str, address: str, device: str = "") -> str:
        """A new session of who knows the password; answers what its cookie holds.

        An unknown name takes the same work and gets the same answer as a wrong password. A browser
        in which the account was signed in to before is counted by itself: what others try from
        elsewhere neither locks it out nor keeps it waiting.

        Args:
            name: of the account, in any spelling.
            password: what was given for its password.
            address: from where.
            device: what the browser was given by `device`, if it was.

        Raises:
            Refused: name or password is wrong, or the account is shut.
            Locked: too many were tried.
            Busy: too many are looked at just now.
        """
        name = _plain(name)
        nonce, _, seal = device.partition(".")
        fits = secrets.compare_digest(seal.encode("utf-8", "replace"), self._device(nonce, name))
        if not self._checked(name, password, address, nonce if fits else ""):
            raise Refused
        return self._open(name, address, "password")

    def device(self, name: str) -> str:
        """What a browser keeps, to be known by when somebody signs in to an account there again.

        It opens nothing.
        """
        nonce = secrets.token_hex(16)
        return f"{nonce}.{self._device(nonce, _plain(name)).decode()}"

    def _device(self, nonce: str, name: str) -> bytes:
        return self._store.seal("device", f"{nonce}:{name}").encode()

    def _checked(self, name: str, password: str, address: str, known: str = "") -> bool:
        """Whether this is the account's password; a wrong one counts and is told of.

        Args:
            name: of the account.
            password: what was given.
            address: from where.
            known: what the browser or the session is known by, if it is.
        """
        now, desk = self._now(), self._desk_of_known if known else self._desk
        if known:
            limits = {f"known:{known[:100]}": ACCOUNT_TRIES}
        else:
            limits = {
                f"account:{name[:100]}": ACCOUNT_TRIES,
                f"address:{network(address)}": ADDRESS_TRIES,
            }
        keys = list(limits)
        tried = sa.select(ATTEMPT.c.key, ATTEMPT.c.failures).where(
            ATTEMPT.c.key.in_(keys), ATTEMPT.c.since > now - WINDOW
        )
        with self._store.read() as con:
            found: Any = con.execute(tried).all()
        counts = {str(key): int(failures) for key, failures in found}
        full = [key for key, failures in counts.items() if failures >= limits[key]]
        if full:
            # Told now and then only, so that an attack does not fill the log.
            count = self._refusals.count(full[0], now)
            if count is not None:
                with self._store.write() as con:
                    told = {"why": "locked", "count": count}
                    self._audit.add(con, "sign_in_refused", self._shown(con, name), address, **told)
            raise Locked
        # A place first: who is turned away for the crowd has written nothing.
        with desk.enter() as place:
            with self._store.write() as con:
                # Counted before it is known to be wrong, so that tries at once count one by one.
                failures = {key: self._store.tried(con, key, now, WINDOW) for key in keys}
                if any(failures[key] > limits[key] for key in keys):
                    raise Locked
                account = self._account(con, name)
            try:
                fits = place.fits(account["password"] if account else "", password[:MOST])
            except Busy:
                # It was not looked at, so it was no try.
                with self._store.write() as con:
                    self._uncount(con, keys)
                raise
            if account is not None and fits and outdated(account["password"]):
                kept = place.hashed(password[:MOST])
                with self._store.write() as con:
                    self._set(con, name, end_sessions=False, password=kept)
        why = self._shut(account) if fits else "unknown" if account is None else "password"
        with self._store.write() as con:
            if not why:
                con.execute(sa.delete(ATTEMPT).where(ATTEMPT.c.key == keys[0]))
                # The address keeps its other failures; this try was none.
                self._uncount(con, keys[1:])
            else:
                self._audit.add(con, "sign_in_refused", self._shown(con, name), address, why=why)
        return not why

    def _uncount(self, con: sa.Connection, keys: Collection[str]) -> None:
        same = ATTEMPT.c.key.in_(keys)
        con.execute(sa.update(ATTEMPT).where(same).values(failures=ATTEMPT.c.failures - 1))

    def _shown(self, con: sa.Connection, name: str) -> str:
        """A name for the log: one that no account has may be a password in the wrong field."""
        known = self._account(con, name) is not None
        return name if known else f"unknown {self._store.seal('name', name)[:12]}"

    def _shut(self, account: Any) -> str:
        """Why an account lets nobody in; empty if it does."""
        if account["disabled"]:
            return "disabled"
        return "demonstration" if self._production and account["demonstration"] else ""

    def sign_in_by_provider(self, name: str, subject: str, address: str) -> str:
        """A new session of whom the city's provider vouches for, by name and lasting subject.

        Raises:
            Refused: there is no such account of the provider's, it is shut, or it is somebody
                else's by now: the provider gave the name to another person.
        """
        name = _plain(name)
        with self._store.write() as con:
            account = self._account(con, name)
            if account is None:
                why = "unknown"
            elif account["password"]:
                why = "not of the provider"
            elif account["subject"] not in ("", subject):
                why = "another person of that name"
            else:
                why = self._shut(account)
            if not why:
                self._set(con, name, end_sessions=False, subject=subject)
            else:
                actor = name if account is not None else "unknown"
                self._audit.add(con, "sign_in_refused", actor, address, why=why, way="provider")
        if why:
            raise Refused
        return self._open(name, address, "provider")

    def link(self, name: str) -> str:
        """A one-time ticket into a demonstration account, good for an hour.

        Raises:
            AccountError: it is not one of the demonstration.
        """
        nonce, now = secrets.token_hex(16), self._now()
        with self._store.write() as con:
            account = self._account(con, name)
            if account is None or not account["demonstration"] or self._shut(account):
                raise AccountError(f"{name} is no account of the demonstration")
            con.execute(sa.delete(LINK).where(LINK.c.ends_at <= now))
            con.execute(
                sa.insert(LINK).values(nonce=nonce, account=name, ends_at=now + LINK_SECONDS)
            )
        return f"{nonce}.{self._store.seal('link', f'{nonce}:{name}')}"

    def enter(self, ticket: str, address: str) -> str:
        """A new session by a one-time ticket, which is used up; answers what its cookie holds.

        Raises:
            Refused: it was used, is too old, or was never made here.
        """
        nonce, _, seal = ticket.partition(".")
        with self._store.write() as con:
            used = (
                sa.delete(LINK)
                .where(LINK.c.nonce == nonce)
                .returning(LINK.c.account, LINK.c.ends_at)
            )
            link = con.execute(used).mappings().first()
            account = self._account(con, link["account"]) if link else None
            good = (
                link is not None
                and account is not None
                and link["ends_at"] > self._now()
                and account["demonstration"]
                and not self._shut(account)
                and secrets.compare_digest(
                    seal.encode(), self._store.seal("link", f"{nonce}:{link['account']}").encode()
                )
            )
            if not good:
                self._audit.add(con, "sign_in_refused", "unknown", address, why="link", way="link")
        if link is None or not good:
            raise Refused
        return self._open(link["account"], address, "link")

    def _open(self, name: str, address: str, way: str) -> str:
        token, now = secrets.token_urlsafe(32), self._now()
        with self._store.write() as con:
            con.execute(sa.delete(SESSION).where(SESSION.c.ends_at <= now))
            con.execute(sa.delete(ATTEMPT).where(ATTEMPT.c.since <= now - WINDOW))
            con.execute(
                sa.insert(SESSION).values(
                    digest=_digest(token), family=secrets.token_hex(16), account=name,
                    issued_at=now, seen_at=now, ends_at=now + self._longest,
                )
            )  # fmt: skip
            self._set(con, name, end_sessions=False, signed_in_at=now)
            self._audit.add(con, "signed_in", name, address, way=way)
        return token

    def who(self, token: str) -> Viewer | None:
        """Whose session a cookie holds; none if it is nobody's, or nobody's any more."""
        digest = _digest(token)
        row = self._who.ask(digest=digest)
        if row is None:
            return None
        account, level, code, family, issued, seen, ends, replaced, disabled, demonstration = row
        now = self._clock()
        if disabled or (demonstration and self._production):
            return None
        if now >= ends or now >= seen + self._idle:
            return None
        renew = not replaced and now >= issued + ROTATE
        if now >= seen + _SEEN and not renew:
            with self._store.write() as con:
                same = SESSION.c.digest == digest
                con.execute(sa.update(SESSION).where(same).values(seen_at=int(now)))
        return Viewer(account, f"{level}:{code}", family, digest, renew)

    def renew(self, viewer: Viewer) -> str | None:
        """A new id for a session; the old one counts a little longer, for what is under way.

        None where another request was quicker.
        """
        token, now = secrets.token_urlsafe(32), self._now()
        with self._store.write() as con:
            same = (SESSION.c.digest == viewer.digest) & sa.not_(SESSION.c.replaced)
            old = con.execute(sa.select(SESSION).where(same)).mappings().first()
            if old is None:
                return None
            con.execute(
                sa.update(SESSION)
                .where(same)
                .values(replaced=True, ends_at=min(old["ends_at"], now + GRACE))
            )
            fresh = {**old, "digest": _digest(token), "issued_at": now, "seen_at": now}
            con.execute(sa.insert(SESSION).values(**fresh))
        return token

    def sign_out(self, viewer: Viewer, address: str) -> None:
        """End a session, under all its ids."""
        with self._store.write() as con:
            con.execute(sa.delete(SESSION).where(SESSION.c.family == viewer.family))
            self._audit.add(con, "signed_out", viewer.account, address)

    # Shared

    def _changed(self, name: str, reason: str) -> "_Change":
        _reasoned(reason)
        return _Change(self._store, _plain(name))

    def _account(self, con: sa.Connection, name: str) -> Any:
        return con.execute(sa.select(ACCOUNT).where(ACCOUNT.c.name == name)).mappings().first()

    def _set(self, con: sa.Connection, name: str, end_sessions: bool = True, **values: Any) -> None:
        con.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == name).values(**values))
        if end_sessions:
            con.execute(sa.delete(SESSION).where(SESSION.c.account == name))
            con.execute(sa.delete(LINK).where(LINK.c.account == name))

    def _kept(self, password: str) -> str:
        with self._desk_of_known.enter() as place:
            return place.hashed(password)

    def _now(self) -> int:
        return int(self._clock())


class _Change:
    """A transaction over one account that exists."""

    def __init__(self, store: Store, name: str) -> None:
        self._transaction, self._name = store.write(), name

    def __enter__(self) -> tuple[sa.Connection, str, Any]:
        con = self._transaction.__enter__()
        found = con.execute(sa.select(ACCOUNT).where(ACCOUNT.c.name == self._name))
        account = found.mappings().first()
        if account is None:
            error = AccountError(f"no account {self._name}; `eqm user list` shows them")
            self._transaction.__exit__(AccountError, error, None)
            raise error
        return con, self._name, account

    def __exit__(self, *error: Any) -> None:
        self._transaction.__exit__(*error)


def named(text: str) -> str:
    """A name as accounts have it.

    Raises:
        AccountError: it holds what a name may not.
    """
    name = _plain(text)
    if not _NAME.fullmatch(name):
        raise AccountError(f"{text!r} won't do as a name: 2 to 64 letters, digits, . _ - @")
    return name


def _plain(text: str) -> str:
    """One spelling of what people type in several, without what no database takes."""
    return unicodedata.normalize("NFKC", text.replace("\0", "")).strip().casefold()


def _state(account: Any) -> str:
    if account["disabled"]:
        return "disabled"
    return "demonstration" if account["demonstration"] else "active"


def _reasoned(reason: str) -> None:
    if len(reason.strip()) < 3:
        raise AccountError("say why (--reason): it is kept in the audit log")


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def network(address: str) -> str:
    """Whom tries from an address are counted with: itself, or the /64 that a house has in IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ip_network(f"{found}/64", strict=False))


def open_accounts(
    settings: Settings, clock: Callable[[], float] = time.time
) -> tuple[Accounts, AuditLog, Store]:
    """The accounts of a home, with the audit log that tells of them and the store of both."""
    store = Store(settings)
    audit = AuditLog(store, settings.audit_days)
    return Accounts(settings, store, audit, clock), audit, store
