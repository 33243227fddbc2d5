"""The gate as a city runs it: Debian's nginx with TLS, gunicorn, Debian's Postgres, on loopback."""

import configparser
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from gatehouse import FILES, account, make_release, secret, settings_of, switch

from dashboards.gate import Gate, create_app
from dashboards.gate.accounts import ACCOUNT_TRIES
from dashboards.gate.pages import HEADERS
from pipelines.settings import PROJECT
from tests.conftest import Postgres

DEPLOY = PROJECT / "deploy"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")


@dataclass
class Site:
    """What runs, and where it writes."""

    address: str
    folder: Path
    certificate: Path
    gate: Gate
    """The same home and database, from inside."""
    secrets: list[str]
    """What no log may hold."""

    def session(self) -> requests.Session:
        """A browser that believes the certificate."""
        made = requests.Session()
        made.verify = str(self.certificate)
        made.trust_env = False
        made.headers["Accept-Encoding"] = "identity"
        return made

    def signed_in(self, scope: str, name: str) -> requests.Session:
        """A browser of somebody new, of a scope, after the form was filled in."""
        name, password = account(self.gate, scope, name)
        browser = self.session()
        answer = sign_in(browser, self.address, name, password)
        assert answer.status_code == 200, answer.text
        self.secrets += [password, *(c for c in browser.cookies.values() if len(c) > 20)]
        return browser


def sign_in(browser: requests.Session, address: str, name: str, password: str) -> Any:
    """Fill in the form; whoever is told that the machine is busy tries again, as a person would."""
    for _ in range(20):
        page = browser.get(f"{address}/gate/sign-in")
        (token,) = re.findall(r'name="form" value="(\w+)"', page.text)
        given = {"form": token, "name": name, "password": password}
        answer = browser.post(f"{address}/gate/sign-in", data=given, timeout=60)
        if answer.status_code != 503:
            break
        time.sleep(1)
    return answer


def answers(site: Site) -> bool:
    """Whether it answers already; a machine that is busy takes its time.

    A page is asked for, not the door: of that nginx lets nobody ask often.
    """
    try:
        page = site.session().get(f"{site.address}/", timeout=60, allow_redirects=False)
    except requests.RequestException:
        return False
    return page.is_redirect


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(folder: Path, ports: tuple[int, int]) -> Path:
    """The configuration of `deploy/`; only paths and ports are this folder's."""
    text = (DEPLOY / "nginx" / "eqm.conf").read_text(encoding="utf-8")
    for before, after in {
        "unix:/run/eqm/gate.sock": f"unix:{folder}/gate.sock",
        "/etc/eqm/tls/fullchain.pem": f"{folder}/certificate.pem",
        "/etc/eqm/tls/privkey.pem": f"{folder}/key.pem",
        "/var/lib/eqm/releases/": f"{folder}/home/releases/",
        "/var/log/nginx/": f"{folder}/",
        "listen 80;": f"listen 127.0.0.1:{ports[0]};",
        "listen [::]:80;": "",
        "listen 443 ssl": f"listen 127.0.0.1:{ports[1]} ssl",
        "listen [::]:443 ssl http2;": "",
        "https://jc.example.cn": f"https://127.0.0.1:{ports[1]}",
    }.items():
        assert before in text, before
        text = text.replace(before, after)
    (folder / "eqm.conf").write_text(text, encoding="utf-8")
    whole = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    whole.write_text(
        f"{user}pid {folder}/nginx.pid;\nerror_log {folder}/nginx-error.log;\ndaemon off;\n"
        "events {}\nhttp {\ninclude /etc/nginx/mime.types;\n"
        + "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"include {folder}/eqm.conf;\n}}\n",
        encoding="utf-8",
    )
    return whole


@pytest.fixture(scope="module", params=["gate", "nginx"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> Iterator[Site]:
    """All of it, with files sent by the gate itself, and by nginx at its word."""
    if NGINX is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    folder = tmp_path_factory.mktemp("deploy")
    url = postgres.database()
    ports = (free_port(), free_port())
    for name in ("r1", "r2"):
        make_release(folder / "home", name)
    switch(folder / "home", "r1")
    more = {"accounts_url": url, "env": "production", "trusted_proxies": 1,
            "public_url": f"https://127.0.0.1:{ports[1]}", "sent_by": request.param}  # fmt: skip
    gate = create_app(settings_of(folder, **more))
    account(gate, "city", "first")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EQM_")} | {
        "EQM_HOME": str(folder / "home"),
        "EQM_RAW": str(folder / "raw"),
        "EQM_PSEUDONYM_KEY_FILE": str(folder / "key" / "pseudonym.key"),
        "GATE_BIND": f"unix:{folder}/gate.sock",
        **{f"EQM_{name}".upper(): str(value) for name, value in more.items()},
    }
    logs = [(folder / f"{name}.log").open("w") for name in ("gunicorn", "nginx")]
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    running = [
        subprocess.Popen(
            [gunicorn, "-c", str(DEPLOY / "gunicorn.conf.py"), "--log-level", "debug"],
            cwd=PROJECT, env=environment, stdout=logs[0], stderr=subprocess.STDOUT,
        ),
        subprocess.Popen(
            [NGINX, "-c", str(configuration(folder, ports))],
            stdout=logs[1], stderr=subprocess.STDOUT,
        ),
    ]  # fmt: skip
    made = Site(f"https://127.0.0.1:{ports[1]}", folder, folder / "certificate.pem", gate, [])
    try:
        until = time.monotonic() + 300
        while not answers(made):
            words = "".join((folder / f"{name}.log").read_text() for name in ("gunicorn", "nginx"))
            assert all(process.poll() is None for process in running), words
            assert time.monotonic() < until, words
            time.sleep(0.1)
        yield made
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(timeout=30)
        for log in logs:
            log.close()
        gate.store.engine.dispose()


def test_each_sees_its_own_through_all_of_it(site: Site) -> None:
    browser = site.signed_in("district:370402", "east")
    for path, owners in FILES.items():
        answer = browser.get(f"{site.address}/{path}", allow_redirects=False)
        own = not owners or "district:370402" in owners
        whole = secret("r1", path) * 100
        if own:
            assert answer.status_code == 200 and answer.text == whole
            part = browser.get(f"{site.address}/{path}", headers={"Range": "bytes=3-12"})
            assert part.status_code == 206 and part.text == whole[3:13]
            packed = browser.get(f"{site.address}/{path}", headers={"Accept-Encoding": "gzip"})
            assert packed.headers["Content-Encoding"] == "gzip" and packed.text == whole
            known = {"If-None-Match": answer.headers["ETag"]}
            assert browser.get(f"{site.address}/{path}", headers=known).status_code == 304
        else:
            assert answer.status_code in (303, 404) and "[" not in answer.text
    for header, value in HEADERS.items():
        for path in ("district/370402/", "nowhere", "gate/"):
            assert browser.get(f"{site.address}/{path}").headers[header] == value, (header, path)
    assert "Strict-Transport-Security" in browser.get(f"{site.address}/district/370402/").headers
    assert browser.get(f"{site.address}/sent/r1/warehouse.duckdb").status_code == 404
    assert browser.get(f"{site.address}/sent/r1/site/index.html").status_code == 404
    # A path that nginx would tidy up is not the path that was sent.
    for path in ("district//370402/", "x/../district/370403/", "district/370403/..%2f370402/"):
        request = requests.Request("GET", f"{site.address}/", cookies=browser.cookies)
        prepared = request.prepare()
        prepared.url = f"{site.address}/{path}"
        answer = browser.send(prepared, allow_redirects=False)
        assert "370403" not in answer.text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_cookie_and_the_open_line(site: Site) -> None:
    browser = site.signed_in("city", "open-line")
    (cookie,) = (c for c in browser.cookies if c.name == "__Host-eqm")
    assert cookie.secure and cookie.path == "/" and cookie.has_nonstandard_attr("HttpOnly")
    answer = browser.get(f"{site.address}/gate/sign-in")
    assert "nginx/" not in answer.headers["Server"] and "gunicorn" not in answer.headers["Server"]
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # So far down that this side would speak it.
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    port = int(site.address.rpartition(":")[2])
    with (
        pytest.raises((ssl.SSLError, OSError)),
        socket.create_connection(("127.0.0.1", port)) as line,
    ):
        old.wrap_socket(line)


def test_addresses_are_nginxs_word_and_not_the_browsers(site: Site) -> None:
    """Who makes up an address for each try is locked out all the same, and told of by his own."""
    name, _ = account(site.gate, "city", "victim")
    codes = []
    for i in range(ACCOUNT_TRIES + 1):
        browser = site.session()
        browser.headers["X-Forwarded-For"] = f"10.1.2.{i}"
        codes.append(sign_in(browser, site.address, name, "a wrong password").status_code)
    assert codes == [401] * ACCOUNT_TRIES + [429]
    lines = [line for line in site.gate.audit.lines() if line.actor == name]
    assert {line.address for line in lines} == {"127.0.0.1"}


def test_a_switch_under_load_fails_nobody_and_mixes_nothing(site: Site) -> None:
    browser = site.signed_in("city", "switcher")
    cookies = dict(browser.cookies)
    wrong: list[str] = []
    count = [0]
    done = threading.Event()

    def read() -> None:
        own = site.session()
        while not done.is_set():
            answer = own.get(f"{site.address}/", cookies=cookies)
            count[0] += 1
            said = set(re.findall(r"of (r\d)\]", answer.text))
            if answer.status_code != 200 or len(said) != 1:
                wrong.append(f"{answer.status_code} {said}")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(20):
        switch(site.folder / "home", "r2" if i % 2 == 0 else "r1")
        time.sleep(0.05)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == [] and count[0] > 20


def test_no_log_holds_a_secret(site: Site) -> None:
    """Passwords, cookies, tickets and codes are in no file that anything wrote."""
    name, password = account(site.gate, "city", "talker")
    browser = site.session()
    sign_in(browser, site.address, name, "a wrong one: hunter2hunter2")
    sign_in(browser, site.address, "hunter3hunter3", "typed into the wrong field")
    sign_in(browser, site.address, name, password)
    session = browser.cookies["__Host-eqm"]
    browser.get(f"{site.address}/gate/enter?ticket=0123abcd.ticketticket")
    browser.get(f"{site.address}/gate/provider/back?code=codecodecode&state=statestate")
    browser.get(f"{site.address}/district/370402/?token=tokentoken")
    browser.get(f"{site.address}/gate/")
    time.sleep(0.3)
    hidden = [
        *site.secrets, password, session, "hunter2hunter2", "hunter3hunter3", "ticketticket",
        "codecodecode", "statestate", "tokentoken",
    ]  # fmt: skip
    key = (site.folder / "home" / "gate" / "key").read_text().strip()
    written = [path for path in site.folder.glob("*.log") if path.stat().st_size]
    assert {"gunicorn.log", "eqm.log"} <= {path.name for path in written}
    told = [str(line) for line in site.gate.audit.lines()]
    for text in [path.read_text() for path in written] + told:
        for word in (*hidden, key):
            assert word not in text
    assert site.gate.audit.verify().faults == []


# What can only be read here


@pytest.mark.parametrize("name", ["gate", "build", "audit"])
def test_units_are_hardened(name: str) -> None:
    unit = DEPLOY / "systemd" / f"eqm-{name}.service"
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    assert parsed.read(unit)
    service = parsed["Service"]
    assert service["User"] == "eqm" and service["ProtectSystem"] == "strict"
    for wanted in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "RestrictNamespaces"):
        assert service[wanted] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    analyze = shutil.which("systemd-analyze")
    if analyze:
        command = [analyze, "security", "--offline=yes", "--threshold=20", str(unit)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_compose_file_names_what_there_is() -> None:
    content = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
    services = content["services"]
    assert set(services) == {"postgres", "gate", "build", "nginx"}
    assert (DEPLOY.parent / services["gate"]["build"]["dockerfile"]).is_file()
    assert services["gate"]["environment"]["EQM_ENV"] == "production"
    # Only nginx is reached from outside.
    assert [name for name, one in services.items() if "ports" in one] == ["nginx"]
    assert content["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("place", ["compose", "environment"])
def test_settings_of_the_deployment_are_known(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if place == "compose":
        content = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
        given = content["services"]["gate"]["environment"]
    else:
        text = (DEPLOY / "eqm.env").read_text(encoding="utf-8")
        given = dict(re.findall(r"^#? ?(EQM_\w+)=(.*)$", text, re.M))
        assert len(given) > 8
    for name, value in given.items():
        if name.startswith("EQM_"):
            monkeypatch.setenv(name, str(value))
    settings = settings_of(tmp_path)
    assert settings.env == "production" and settings.trusted_proxies == 1
