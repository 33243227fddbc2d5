"""Is this machine fit to serve others? What `eqm doctor --production` looks at beside the build."""

import os
import shutil
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from cryptography import x509

from pipelines.doctor import Finding
from pipelines.release import current
from pipelines.settings import Settings

CERTIFICATE_DAYS = 21
"""A certificate that ends sooner should have been renewed."""
BACKUP_HOURS = 36
"""A night's backup may be so old, and no older."""
RELEASES_OF_ROOM = 5
"""So many more releases of today's size should find room."""
LINE_SECONDS = 3.0

State = Literal["ok", "hint", "missing"]


def inspect(settings: Settings) -> list[Finding]:
    """What a machine in production needs, looked at without changing anything."""
    return [
        _environment(settings),
        *_modes(settings),
        *_accounts(settings),
        *_tls(settings),
        _proxy(settings),
        *_provider(settings),
        *_clock(settings),
        _time_zone(settings),
        _room(settings),
        _backups(settings),
    ]


def _environment(settings: Settings) -> Finding:
    if settings.env == "production":
        return Finding("environment", "ok", "production")
    return Finding("environment", "missing", settings.env, "EQM_ENV=production")


def _modes(settings: Settings) -> Iterator[Finding]:
    """Nobody but their owner may read what holds persons, keys or accounts."""
    wanted = {
        settings.home: 0o700,
        settings.gate: 0o700,
        settings.gate / "key": 0o600,
        settings.pseudonym_key_file.parent: 0o700,
        settings.pseudonym_key_file: 0o600,
        settings.forgotten_key_file: 0o600,
        settings.landing: 0o700,
        settings.quarantine: 0o700,
    }
    url = sa.make_url(settings.accounts)
    if url.get_backend_name() == "sqlite" and url.database:
        wanted[Path(url.database)] = 0o600
    if settings.oidc_client_secret_file:
        wanted[settings.oidc_client_secret_file] = 0o600
    for path, mode in wanted.items():
        if not path.exists():
            if path == settings.gate / "key":
                made = "the first account makes it; back it up"
                yield Finding("key of the gate", "missing", f"no {path}", made)
            continue
        found = stat.S_IMODE(path.stat().st_mode)
        if found & ~mode & 0o077:
            yield Finding(
                "modes", "missing", f"{path} has mode {found:04o}", f"chmod {mode:o} {path}"
            )
        else:
            yield Finding("modes", "ok", f"{path} {found:04o}")
    if os.geteuid() == 0:
        yield Finding("user", "hint", "root", "run the services as a user of their own, eqm")


def _accounts(settings: Settings) -> Iterator[Finding]:
    from dashboards.gate import open_accounts

    shown = sa.make_url(settings.accounts).render_as_string(hide_password=True)
    try:
        accounts, audit, _store = open_accounts(settings)
        listed = accounts.list()
        verdict = audit.verify()
    except (OSError, sa.exc.SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        yield Finding("accounts", "missing", f"{shown}: {reason}", "check EQM_ACCOUNTS_URL")
        return
    active = [one for one in listed if one.state == "active"]
    if active:
        yield Finding("accounts", "ok", f"{len(active)} active, {shown}")
    else:
        make = "eqm user add NAME --scope city --reason WHY"
        yield Finding("accounts", "missing", "nobody can sign in", make)
    shows = [one.name for one in listed if one.state == "demonstration"]
    if shows:
        off = f"eqm user disable {shows[0]} --reason WHY; in production they are shut in any case"
        yield Finding("demonstration", "hint", ", ".join(shows), off)
    if verdict.faults:
        yield Finding(
            "audit log", "missing", "; ".join(verdict.faults[:3]),
            "find out who changed it; restore it from its backup beside the one at hand",
        )  # fmt: skip
    else:
        yield Finding("audit log", "ok", f"{verdict.lines} lines, up to {verdict.end}")


def _tls(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https":
        found = settings.public_url or "no public address"
        yield Finding("TLS", "missing", found, "EQM_PUBLIC_URL=https://...")
        return
    host = parts.hostname or ""
    if settings.tls_certificate:
        yield _certificate(settings.tls_certificate, host)
    else:
        yield Finding("certificate", "hint", "unknown", "name it by EQM_TLS_CERTIFICATE")
    yield _line(host, parts.port or 443)


def _certificate(path: Path, host: str) -> Finding:
    """Whether the certificate is of that host, and for how long."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding("certificate", "missing", f"{path}: {error}", "put it there, readable")
    try:
        # Browsers have long ceased to look at any other name.
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        held = [str(name.value) for name in names]
    except x509.ExtensionNotFound:
        held = []
    if not any(_covers(name, host) for name in held):
        return Finding(
            "certificate",
            "missing",
            f"of {', '.join(held) or 'nothing'}, not of {host}",
            "renew it",
        )
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    state: State = "ok" if left >= timedelta(days=CERTIFICATE_DAYS) else "missing"
    mend = "" if state == "ok" else "renew it, and see why that did not happen by itself"
    return Finding("certificate", state, f"{host}, for {max(left.days, 0)} more days", mend)


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name.lower() == host.lower()


def _line(host: str, port: int) -> Finding:
    """What is spoken at the public address: TLS 1.2 at least."""
    context = ssl.create_default_context()
    # The certificate is looked at above; here it is about the line.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=LINE_SECONDS) as line,
            context.wrap_socket(line, server_hostname=host) as secured,
        ):
            spoken = str(secured.version())
    except OSError as error:
        reason = str(error) or type(error).__name__
        return Finding("TLS", "hint", f"{host}:{port} not reached: {reason}", "is nginx running?")
    if _speaks_old(host, port):
        old = "ssl_protocols TLSv1.2 TLSv1.3; as in deploy/nginx/eqm.conf"
        return Finding("TLS", "missing", f"{host}:{port} also speaks TLS 1.1", old)
    return Finding("TLS", "ok", f"{host}:{port} speaks {spoken}")


def _speaks_old(host: str, port: int) -> bool:
    """Whether a client of twenty years ago is answered."""
    import warnings

    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        # That these versions are old is why they are tried.
        warnings.simplefilter("ignore", DeprecationWarning)
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        with (
            socket.create_connection((host, port), timeout=LINE_SECONDS) as line,
            old.wrap_socket(line, server_hostname=host),
        ):
            return True
    except OSError:
        return False


def _proxy(settings: Settings) -> Finding:
    if settings.trusted_proxies:
        return Finding("proxy", "ok", f"{settings.trusted_proxies}, whose word is taken")
    return Finding(
        "proxy", "missing", "every viewer seems to come from one address, and one locks all out",
        "EQM_TRUSTED_PROXIES=1 behind nginx",
    )  # fmt: skip


def _provider(settings: Settings) -> Iterator[Finding]:
    if not settings.oidc_issuer:
        return
    if os.environ.get("AUTHLIB_INSECURE_TRANSPORT") or not settings.oidc_issuer.startswith(
        "https:"
    ):
        yield Finding(
            "provider", "missing", f"{settings.oidc_issuer} over an open line",
            "https alone, without AUTHLIB_INSECURE_TRANSPORT",
        )  # fmt: skip
    elif not settings.oidc_client_id:
        yield Finding("provider", "missing", "no name at the provider", "EQM_OIDC_CLIENT_ID")
    else:
        yield Finding("provider", "ok", settings.oidc_issuer)


def _clock(settings: Settings) -> Iterator[Finding]:
    """Sessions, locks and the audit log go by the clock: set by others, and never back."""
    program = shutil.which("timedatectl")
    kept = ""
    if program:
        command = [program, "show", "--property=NTPSynchronized", "--value"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        kept = done.stdout.strip()
    if kept == "yes":
        yield Finding("clock", "ok", "set by the network's time")
    elif kept == "no":
        yield Finding("clock", "missing", "not set by the network's time", "timedatectl set-ntp on")
    else:
        yield Finding("clock", "hint", "unknown whether it is set by the network's time",
                      "chrony or systemd-timesyncd")  # fmt: skip
    served = current(settings)
    if served:
        made = (settings.releases / served / "release.json").stat().st_mtime
        if made > time.time() + 60:
            yield Finding("clock", "missing", "the release that is served is of the future",
                          "set the clock")  # fmt: skip


def _time_zone(settings: Settings) -> Finding:
    now = datetime.now(UTC)
    here = now.astimezone().utcoffset()
    there = now.astimezone(ZoneInfo(settings.time_zone)).utcoffset()
    if here == there:
        return Finding("time zone", "ok", settings.time_zone)
    return Finding(
        "time zone", "hint", f"the machine is {here} from UTC, {settings.time_zone} is {there}",
        f"timedatectl set-timezone {settings.time_zone}, so that logs tell the city's time",
    )  # fmt: skip


def _room(settings: Settings) -> Finding:
    """Whether the next releases find room."""
    served = current(settings)
    folder = settings.releases / served if served else None
    one = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder else 0
    above = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(above).free
    state: State = "ok" if free >= RELEASES_OF_ROOM * one else "missing"
    mend = "" if state == "ok" else "eqm releases prune, or a larger disk"
    return Finding(
        "room for releases", state, f"{free / 1e9:.1f} GB free, {one / 1e9:.2f} GB a release", mend
    )


def _backups(settings: Settings) -> Finding:
    folder = settings.backup_dir
    if folder is None:
        return Finding("backups", "missing", "none known of", "EQM_BACKUP_DIR; docs/operations.md")
    try:
        files = [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
        loose = stat.S_IMODE(folder.stat().st_mode) & 0o077
        same = folder.stat().st_dev == settings.home.stat().st_dev
    except OSError as error:
        return Finding("backups", "missing", str(error), "mount it, or make it readable")
    if not files:
        return Finding("backups", "missing", f"{folder} is empty", "see why no backup was made")
    hours = (time.time() - max(p.stat().st_mtime for p in files)) / 3600
    if hours > BACKUP_HOURS:
        old = f"the newest in {folder} is {hours:.0f} hours old"
        return Finding("backups", "missing", old, "see why none was made since")
    if loose:
        return Finding("backups", "missing", f"others can read {folder}", f"chmod 700 {folder}")
    if same:
        disk = f"{folder} is on the disk of the home"
        return Finding("backups", "hint", disk, "keep them, or a copy, on another machine")
    return Finding("backups", "ok", f"{folder}, {hours:.0f} hours old")
