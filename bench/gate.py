"""The gate under load, beside the same page from a Dash app: `python -m bench.gate`.

The page is the city's pass rates, figures and a table, which most pages are.
Both run behind the same gunicorn (`deploy/gunicorn.conf.py`) on this machine, and nghttp2's
`h2load` asks them over 16 kept connections. A view of the gate is one request with a session; of
the Dash app it is the three that a browser makes (page, layout, dependencies), without any sign-in
(`bench/peers/dash_page.py` says how Dash is brought; without it that part is left out).
The home must hold a release; accounts are in a database of the measurement's own. Then, of the gate
alone: how long requests take at half of the highest rate; what a hundred switches and rollbacks do
to who reads; and what 1,000 wrong passwords a minute do, each from another address and of another
account, so that no limit keeps them from being worked on: to who reads, as fast as the gate can
answer, and, without that load, to who signs in with the right one (the median of forty).
"""

import argparse
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar
from importlib.util import find_spec
from pathlib import Path
from queue import Queue
from statistics import median
from typing import Any

from bench.measure import ROOT, Measure, report
from dashboards.gate import Scope, create_app
from pipelines.release import current
from pipelines.settings import Settings

PAGE = "pass-rates.html"
"""The page that is asked for."""
CONNECTIONS = 16
ADDRESS = "10.0.0.1"
"""Of who reads; those who try passwords have others."""


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gunicorn(app: str, environment: Mapping[str, str]) -> Iterator[str]:
    """An application behind gunicorn, as deployed; its address."""
    port = free_port()
    program = str(Path(sys.executable).with_name("gunicorn"))
    command = [program, "-c", "deploy/gunicorn.conf.py", "--max-requests", "0", app]
    own = {**os.environ, **environment, "GATE_BIND": f"127.0.0.1:{port}"}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=own, stdout=output, stderr=output)
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=1):
                        pass
                    urllib.request.urlopen(f"{address}/gate/sign-in", timeout=30).read()
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=60)


class Load:
    """What `h2load` sends."""

    def __init__(self, cookie: str = "") -> None:
        self._headers = ["-H", "accept-encoding: gzip, br", "-H", f"x-forwarded-for: {ADDRESS}"]
        if cookie:
            self._headers += ["-H", f"cookie: {cookie}"]

    def seconds(self, addresses: Sequence[str], views: int) -> float:
        """Wall time of so many views, each of which asks for all the addresses."""
        out = self._run(["-n", str(views * len(addresses)), *addresses])
        found = re.search(r"finished in ([\d.]+)(us|ms|s),", out)
        assert found, out
        return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]

    def p99(self, address: str, rate: float, seconds: int) -> tuple[float, int]:
        """The 99th percentile of the seconds of a request at a steady rate, and their number."""
        each = max(1, round(rate / CONNECTIONS))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "times"
            self._run([f"--rps={each}", "-D", str(seconds), f"--log-file={path}", address])
            # The first second opens connections and warms up both sides.
            rows = [line.split("\t") for line in path.read_text().splitlines()]
        begin = min(int(row[0]) for row in rows) + 1_000_000
        times = sorted(int(row[2]) for row in rows if int(row[0]) >= begin)
        assert all(row[1] == "200" for row in rows)
        return times[int(0.99 * len(times))] / 1e6, len(times)

    def _run(self, more: Sequence[str]) -> str:
        program = shutil.which("h2load")
        if program is None:
            raise SystemExit("h2load is missing: apt-get install nghttp2-client")
        command = [program, "--h1", "-c", str(CONNECTIONS), "-t", "1", *self._headers, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        statuses = re.search(
            r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout
        )
        assert statuses, done.stdout
        if statuses.groups()[1:] != ("0", "0", "0") or ", 0 failed" not in done.stdout:
            raise SystemExit(f"answers that were none:\n{done.stdout}")
        return done.stdout


@contextmanager
def wrong_passwords(address: str, a_minute: int) -> Iterator[list[int]]:
    """Somebody who tries passwords at that rate meanwhile; the statuses that are answered."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(f"{address}/gate/sign-in").read().decode()
    (token,) = re.findall(r'name="form" value="(\w+)"', page)
    cookie = "; ".join(f"{one.name}={one.value}" for one in jar)
    done, statuses = threading.Event(), list[int]()
    due: Queue[int | None] = Queue()

    def work() -> None:
        # A kept connection, so that what this side does takes little of the machine.
        host = urllib.parse.urlsplit(address).netloc
        line = http.client.HTTPConnection(host, timeout=60)
        while (number := due.get()) is not None and not done.is_set():
            form = {"form": token, "name": f"somebody{number}", "password": f"wrong {number}"}
            headers = {
                "Cookie": cookie,
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Forwarded-For": f"10.1.{number // 255 % 255}.{number % 255}",
            }
            try:
                line.request("POST", "/gate/sign-in", urllib.parse.urlencode(form), headers)
                answer = line.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, http.client.HTTPException):
                line.close()
        line.close()

    def attack() -> None:
        number, begun = 0, time.monotonic()
        while not done.is_set():
            due.put(number)
            number += 1
            done.wait(max(0.0, begun + number * 60 / a_minute - time.monotonic()))

    workers = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    attacker = threading.Thread(target=attack)
    for thread in (attacker, *workers):
        thread.start()
    yield statuses
    done.set()
    for _ in workers:
        due.put(None)
    for thread in (attacker, *workers):
        thread.join()


def sign_in(address: str, name: str, password: str, times: int) -> float:
    """Median seconds of a sign-in, the form fetched before; who is turned away tries again."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), _Stays())
    took = []
    for _ in range(times):
        page = opener.open(f"{address}/gate/sign-in").read().decode()
        (token,) = re.findall(r'name="form" value="(\w+)"', page)
        form = urllib.parse.urlencode({"form": token, "name": name, "password": password}).encode()
        request = urllib.request.Request(
            f"{address}/gate/sign-in", form, {"X-Forwarded-For": ADDRESS}
        )
        begun = time.perf_counter()
        while opener.open(request, timeout=60).status != 303:
            time.sleep(0.05)
        took.append(time.perf_counter() - begun)
    return median(took)


class _Stays(urllib.request.HTTPErrorProcessor):
    """Takes every answer as it is: no way on, no error."""

    def http_response(self, request: object, response: Any) -> Any:
        return response


def switching(home: Path, address: str, cookie: str, times: int) -> tuple[int, float]:
    """Readers while `current` goes to another release and back; requests and seconds.

    Raises:
        SystemExit: a request failed, or a page was of no release or of two.
    """
    first = (home / "current").resolve().name
    second = f"{first[:-1]}{'0' if first[-1] != '0' else '1'}"
    other = home / "releases" / second
    shutil.copytree(home / "releases" / first, other, symlinks=True, copy_function=os.link)
    for page in (other / "site").rglob("index.html"):
        text = page.read_bytes().replace(first.encode(), second.encode())
        page.unlink()
        page.write_bytes(text)
        for packed in page.parent.glob("index.html.*"):
            packed.unlink()
    listed = other / "site.json"
    text = re.sub(rb'"packed": \{[^}]*\}', b'"packed": {}', listed.read_bytes())
    listed.unlink()
    listed.write_bytes(text)
    done, wrong, count = threading.Event(), list[str](), [0]

    def read() -> None:
        headers = {"Cookie": cookie, "X-Forwarded-For": ADDRESS}
        while not done.is_set():
            request = urllib.request.Request(f"{address}/", headers=headers)
            try:
                page = urllib.request.urlopen(request, timeout=30).read().decode()
            except OSError as error:
                wrong.append(str(error))
                continue
            count[0] += 1
            if len({name for name in (first, second) if name in page}) != 1:
                wrong.append("a page of two releases, or of none")

    readers = [threading.Thread(target=read) for _ in range(8)]
    begun = time.perf_counter()
    for reader in readers:
        reader.start()
    for turn in range(times):
        link = home / "current.next"
        link.symlink_to(f"releases/{first if turn % 2 else second}")
        link.replace(home / "current")
        time.sleep(0.05)
    done.set()
    for reader in readers:
        reader.join()
    seconds = time.perf_counter() - begun
    shutil.rmtree(other)
    if wrong:
        raise SystemExit(f"{len(wrong)} of {count[0]} requests went wrong: {wrong[:3]}")
    return count[0], seconds


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--views", type=int, default=20_000, help="views of the gate's page")
    parser.add_argument("--dash-views", type=int, default=400, help="views of the Dash app")
    parser.add_argument("--seconds", type=int, default=15, help="of each steady load")
    parser.add_argument("--peer", type=int, default=1, help="0 leaves out Dash, if it is there")
    given = parser.parse_args()
    settings = Settings.load()
    served = current(settings)
    if served is None:
        raise SystemExit(f"nothing has been released under {settings.home}; run `eqm build`")
    with tempfile.TemporaryDirectory(prefix="eqm-gate-") as folder:
        # A home of its own, so that neither accounts nor the release that is served are touched.
        home = Path(folder) / "home"
        (home / "releases").mkdir(parents=True)
        source = settings.releases / served
        shutil.copytree(source, home / "releases" / served, symlinks=True)
        (home / "current").symlink_to(f"releases/{served}")
        own = Settings.load(home=home, raw=Path(folder) / "raw", trusted_proxies=1)
        gate = create_app(own)
        scope = Scope("city", own.unit_code)
        password = gate.accounts.add("reader", scope, "a measurement", "bench", demonstration=True)
        token = gate.accounts.enter(gate.accounts.link("reader"), ADDRESS)
        cookie = f"{gate.cookie.name}={token}"
        environment = {
            "EQM_HOME": str(home),
            "EQM_RAW": f"{folder}/raw",
            "EQM_TRUSTED_PROXIES": "1",
        }
        groups = _measured(given, environment, home, cookie, password)
        page = (home / "releases" / served / "site" / PAGE).stat().st_size
    size = {"page_bytes": page, "connections": CONNECTIONS}
    report("gate", size, groups)


def _measured(
    given: argparse.Namespace,
    environment: Mapping[str, str],
    home: Path,
    cookie: str,
    password: str,
) -> list[list[Measure]]:
    """The groups of steps, as `report` takes them."""
    load = Load(cookie)
    app = "dashboards.gate.server:application()"
    with gunicorn(app, environment) as address:
        page = [f"{address}/{PAGE}"]
        load.seconds(page, given.views // 10)
        took = load.seconds(page, given.views)
        rate = given.views / took
        views = [_step(f"gate, {given.dash_views} signed-in views", given.dash_views,
                       took * given.dash_views / given.views)]  # fmt: skip
        p99, number = load.p99(page[0], rate / 2, given.seconds)
        steady = [_step("gate, p99 at half of that rate", number, p99, rate / 2)]
        turns = [_step("gate, 100 switches under load", *switching(home, address, cookie, 100))]
        # In turns, so that what else the machine does falls on both.
        quiet = attacked = 0.0
        for _ in range(3):
            quiet += load.seconds(page, given.views)
            with wrong_passwords(address, 1000) as statuses:
                time.sleep(1)
                attacked += load.seconds(page, given.views)
        print({status: statuses.count(status) for status in set(statuses)}, "of the last attack")
        attack = [
            _step("gate, without wrong passwords", 3 * given.views, quiet),
            _step("gate, 1,000 wrong ones a minute", 3 * given.views, attacked),
        ]
        alone = sign_in(address, "reader", password, 40)
        with wrong_passwords(address, 1000):
            time.sleep(1)
            meanwhile = sign_in(address, "reader", password, 40)
        signing = [
            _step("gate, a sign-in", 1, alone),
            _step("gate, a sign-in meanwhile", 1, meanwhile),
        ]
    for kind in ("once", "each") if given.peer and find_spec("dash") else ():
        with gunicorn(
            "bench.peers.dash_page:application", {**environment, "DASH_LAYOUT": kind}
        ) as at:
            parts = [f"{at}/", f"{at}/_dash-layout", f"{at}/_dash-dependencies"]
            number = max(CONNECTIONS, given.dash_views // (1 if kind == "once" else 4))
            Load().seconds(parts, CONNECTIONS)
            took = Load().seconds(parts, number) * given.dash_views / number
            made = "layout made once" if kind == "once" else "layout made at each request"
            views.append(_step(f"Dash, {made}", given.dash_views, took))
    return [views, steady, turns, attack, signing]


def _step(name: str, number: int, seconds: float, a_second: float | None = None) -> Measure:
    return Measure(name, number, round(seconds, 4), round(a_second or number / seconds), 0.0)


if __name__ == "__main__":
    main()
