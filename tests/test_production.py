"""`eqm doctor --production`: what a machine lacks that serves others, and how to mend it."""

import os
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from pipelines import production
from pipelines.cli import app
from pipelines.doctor import Finding
from pipelines.settings import Settings

run = CliRunner().invoke


def certificate(folder: Path, names: list[str], days: float) -> Path:
    """A certificate with its key behind it in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine as it should be, but for what a test machine can't have."""
    for name in ("home", "raw", "key", "backup"):
        (tmp_path / name).mkdir(mode=0o700)
    key = tmp_path / "key" / "pseudonym.key"
    key.write_text("00" * 32)
    key.chmod(0o600)
    (tmp_path / "backup" / "night.tar").write_text("everything")
    given = {
        "env": "production",
        "raw": tmp_path / "raw",
        "home": tmp_path / "home",
        "pseudonym_key_file": key,
        "public_url": "https://localhost:1",
        "trusted_proxies": 1,
        "tls_certificate": certificate(tmp_path, ["localhost", "*.example.cn"], 90),
        "backup_dir": tmp_path / "backup",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"EQM_{name}".upper(), str(value))
    added = run(app, ["user", "add", "zhang", "--scope", "city", "--reason", "head of the centre"])
    assert added.exit_code == 0
    return tmp_path


def inspect(**given: object) -> dict[str, Finding]:
    """The findings by what they are of; of several, the worst."""
    rank = {"ok": 0, "hint": 1, "missing": 2}
    found: dict[str, Finding] = {}
    for one in production.inspect(Settings.load(**given)):
        if one.what not in found or rank[one.state] > rank[found[one.what].state]:
            found[one.what] = one
    return found


def test_a_sound_machine(house: Path) -> None:
    found = inspect()
    for what in ("environment", "modes", "accounts", "audit log", "certificate", "proxy"):
        assert found[what].state == "ok", found[what]
    assert found["room for releases"].state == "ok"
    assert found["backups"].state == "hint" and "disk" in found["backups"].found
    assert found["TLS"].state == "hint" and "nginx" in found["TLS"].mend


def test_modes_are_looked_at(house: Path) -> None:
    for path, mode in (
        (house / "home", 0o750),
        (house / "home" / "gate" / "key", 0o644),
        (house / "home" / "gate" / "accounts.sqlite", 0o660),
        (house / "key" / "pseudonym.key", 0o604),
    ):
        right = path.stat().st_mode & 0o777
        path.chmod(mode)
        found = [one for one in production.inspect(Settings.load()) if one.what == "modes"]
        (loose,) = [one for one in found if one.state == "missing"]
        assert loose.mend == f"chmod {right:o} {path}"
        path.chmod(right)


def test_what_is_not_set(house: Path) -> None:
    found = inspect(env="development", public_url="", trusted_proxies=0)
    for what in ("environment", "TLS", "proxy"):
        assert found[what].state == "missing" and "EQM_" in found[what].mend
    found = inspect(oidc_issuer="http://sso.example.cn", oidc_client_id="eqm")
    assert found["provider"].state == "missing"
    assert inspect(oidc_issuer="https://sso.example.cn")["provider"].state == "missing"
    sound = inspect(oidc_issuer="https://sso.example.cn", oidc_client_id="eqm")
    assert sound["provider"].state == "ok"


def test_nobody_can_sign_in(house: Path) -> None:
    run(app, ["user", "disable", "zhang", "--reason", "has left"])
    assert "eqm user add" in inspect()["accounts"].mend
    url = "postgresql+psycopg://eqm:secret@127.0.0.1:1/eqm"
    away = inspect(accounts_url=url)["accounts"]
    assert away.state == "missing" and "secret" not in away.found


@pytest.mark.parametrize(
    ("names", "days", "url", "state", "said"),
    [
        (["localhost"], 5, "https://localhost:1", "missing", "5 more days"),
        (["localhost"], -5, "https://localhost:1", "missing", "0 more days"),
        (["other.cn"], 90, "https://localhost:1", "missing", "not of localhost"),
        (["*.invalid"], 90, "https://jc.invalid:1", "ok", "jc.invalid"),
        (["*.invalid"], 90, "https://a.jc.invalid:1", "missing", "not of a.jc"),
    ],
)
def test_the_certificate(
    house: Path, names: list[str], days: float, url: str, state: str, said: str
) -> None:
    path = certificate(house, names, days + 0.1)
    found = inspect(tls_certificate=path, public_url=url)["certificate"]
    assert found.state == state and said in found.found
    path.write_text("nonsense")
    assert inspect(tls_certificate=path)["certificate"].state == "missing"


@pytest.fixture(params=[False, True], ids=["new", "old"])
def line(house: Path, request: pytest.FixtureRequest) -> Iterator[tuple[int, bool]]:
    """A server that speaks TLS; perhaps also the old one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(house / "certificate.pem")
    if request.param:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port, request.param
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_line_is_found(line: tuple[int, bool]) -> None:
    port, old = line
    found = inspect(public_url=f"https://localhost:{port}")["TLS"]
    assert found.state == ("missing" if old else "ok"), found
    assert ("ssl_protocols" in found.mend) == old


def test_backups_are_looked_at(house: Path) -> None:
    night = house / "backup" / "night.tar"
    os.utime(night, (time.time() - 50 * 3600,) * 2)
    assert "50 hours old" in inspect()["backups"].found
    night.unlink()
    assert "empty" in inspect()["backups"].found
    assert inspect(backup_dir=house / "nowhere")["backups"].state == "missing"
    night.write_text("everything")
    night.parent.chmod(0o755)
    assert inspect()["backups"].mend.startswith("chmod 700")


def test_the_clock_and_the_zone(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = house / "timedatectl"
    monkeypatch.setenv("PATH", str(house))
    for said, state in (("yes", "ok"), ("no", "missing"), ("", "hint")):
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
        assert inspect()["clock"].state == state
    there = inspect(time_zone="Pacific/Kiritimati")["time zone"]
    assert there.state == "hint" and "Kiritimati" in there.mend


def test_a_changed_audit_log_is_missing_something(house: Path) -> None:
    import sqlite3

    con = sqlite3.connect(house / "home" / "gate" / "accounts.sqlite")
    con.execute("drop trigger gate_audit_kept")
    con.execute("update gate_audit set actor = 'somebody else'")
    con.commit()
    con.close()
    assert "line 1 was changed" in inspect()["audit log"].found
    result = run(app, ["doctor", "--production"])
    assert result.exit_code == 3 and "✗ audit log" in result.output
