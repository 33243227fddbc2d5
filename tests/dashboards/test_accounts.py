"""Accounts, lock-out, the audit log: in SQLite and in Postgres alike."""

import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from gatehouse import settings_of

from dashboards.gate import (
    AccountError,
    Accounts,
    AuditLog,
    Busy,
    Locked,
    Refused,
    Scope,
    demonstrate,
    open_accounts,
)
from dashboards.gate.accounts import ACCOUNT_TRIES, ADDRESS_TRIES, WINDOW, network
from dashboards.gate.audit import Tally
from dashboards.gate.passwords import HASHER, WAITING, Desk, _nobodys
from dashboards.gate.store import ACCOUNT, ATTEMPT, AUDIT, METADATA, SESSION, Store
from dashboards.shelf import Item, Shelf
from tests.conftest import Postgres

pytestmark = pytest.mark.usefixtures("quick_passwords")

CITY = Scope("city", "370400")
EAST = Scope("district", "370402")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class House:
    """Accounts over a database, and what belongs to them."""

    def __init__(self, folder: Path, url: str, env: str = "development") -> None:
        self.clock = Clock()
        self.settings = settings_of(folder, accounts_url=url, env=env)
        self.accounts: Accounts
        self.audit: AuditLog
        self.store: Store
        self.accounts, self.audit, self.store = open_accounts(self.settings, self.clock)

    def refused(self, name: str, password: str = "wrong", address: str = "10.0.0.1") -> str:
        """The kind of refusal."""
        with pytest.raises((Refused, Busy)) as caught:
            self.accounts.sign_in(name, password, address)
        return type(caught.value).__name__

    def events(self) -> list[str]:
        return [line.event for line in self.audit.lines()]


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A house over each database, empty."""
    url = ""
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    made = House(tmp_path, url)
    yield made
    made.store.engine.dispose()


def test_an_account_lives(house: House) -> None:
    accounts = house.accounts
    password = accounts.add("Zhang.San", CITY, "head of the centre", "root")
    assert len(password) >= 20
    with pytest.raises(AccountError, match="already"):
        accounts.add("zhang.san", EAST, "again", "root")
    token = accounts.sign_in("ＺＨＡＮＧ.san ", password, "10.0.0.1")
    viewer = accounts.who(token)
    assert viewer and (viewer.account, viewer.unit) == ("zhang.san", "city:370400")
    accounts.grant("zhang.san", EAST, "moved to the district", "root")
    assert accounts.who(token) is None, "what was seen before is seen no more"
    token = accounts.sign_in("zhang.san", password, "10.0.0.1")
    viewer = accounts.who(token)
    assert viewer and viewer.unit == "district:370402"
    accounts.disable("zhang.san", "left", "root")
    assert accounts.who(token) is None
    assert house.refused("zhang.san", password) == "Refused"
    accounts.disable("zhang.san", "came back", "root", undo=True)
    assert accounts.who(token) is None
    fresh = accounts.new_password("zhang.san", "lost it", "root")
    assert house.refused("zhang.san", password) == "Refused"
    accounts.sign_in("zhang.san", fresh, "10.0.0.1")
    (listed,) = accounts.list()
    assert (listed.name, listed.scope, listed.state) == ("zhang.san", "district:370402", "active")
    assert house.events() == [
        "account_added", "signed_in", "account_granted", "signed_in", "account_disabled",
        "sign_in_refused", "account_enabled", "password_renewed", "sign_in_refused", "signed_in",
    ]  # fmt: skip
    assert {line.detail.get("reason") for line in house.audit.lines()} >= {"moved to the district"}
    assert house.audit.verify().faults == []


@pytest.mark.parametrize(
    ("scope", "said"),
    [("county", "no scope"), ("district", "no scope"), ("school:a/b", "no scope"),
     ("city:110000", "code is 370400"), ("school:../x", "no scope")],
)  # fmt: skip
def test_scopes_that_are_none(scope: str, said: str) -> None:
    with pytest.raises(AccountError, match=said):
        Scope.read(scope, "370400")


def test_a_reason_and_a_name_are_asked_for(house: House) -> None:
    for name, reason in (("zhang", " "), ("z", "a reason"), ("a b", "a reason"), ("x'--", "why")):
        with pytest.raises(AccountError):
            house.accounts.add(name, CITY, reason, "root")
    with pytest.raises(AccountError, match="no account nobody"):
        house.accounts.grant("nobody", CITY, "a reason", "root")
    assert house.accounts.list() == [] and house.events() == []


def test_an_account_is_locked_and_let_in_again(house: House) -> None:
    password = house.accounts.add("zhang", CITY, "a reason", "root")
    for i in range(ACCOUNT_TRIES):
        assert house.refused("zhang", address=f"10.0.0.{i}") == "Refused"
    assert house.refused("zhang", password, "10.0.0.99") == "Locked"
    password = house.accounts.new_password("zhang", "locked out", "root")
    assert house.accounts.sign_in("zhang", password, "10.0.0.99")
    for i in range(ACCOUNT_TRIES):
        house.refused("zhang", address=f"10.0.0.{i}")
    assert house.refused("zhang", password, "10.0.0.99") == "Locked"
    # A name that nobody has is answered in the same way.
    for i in range(ACCOUNT_TRIES):
        assert house.refused("nobody", address=f"10.0.1.{i}") == "Refused"
    assert house.refused("nobody") == "Locked"
    house.clock.now += WINDOW + 1
    assert house.accounts.sign_in("zhang", password, "10.0.0.1")
    with house.store.read() as con:
        assert con.execute(sa.select(ATTEMPT.c.failures)).scalars().all() == [0]
    for _ in range(ACCOUNT_TRIES - 1):
        house.refused("zhang", address="10.0.3.1")
    assert house.accounts.sign_in("zhang", password, "10.0.3.1"), "who knows it begins anew"
    assert house.refused("zhang", address="10.0.3.1") == "Refused"


def test_a_browser_that_is_known_is_neither_locked_out_nor_kept_waiting(house: House) -> None:
    password = house.accounts.add("zhang", CITY, "a reason", "root")
    device, others = house.accounts.device("ZHANG"), house.accounts.device("li")
    for i in range(ACCOUNT_TRIES):
        house.refused("zhang", address=f"10.0.0.{i}")
    for wrong in ("", others, device[:-1], "." + device.partition(".")[2], "é", device + "0"):
        with pytest.raises(Locked):
            house.accounts.sign_in("zhang", password, "10.0.0.99", wrong)
    places = [house.accounts._desk.enter() for _ in range(WAITING)]
    assert house.accounts.sign_in("Zhang", password, "10.0.0.1", device)
    for place in places:
        place.__exit__()
    # It has as many tries as others have, and is no key.
    for _ in range(ACCOUNT_TRIES):
        with pytest.raises(Refused):
            house.accounts.sign_in("zhang", "wrong", "10.0.0.1", device)
    with pytest.raises(Locked):
        house.accounts.sign_in("zhang", password, "10.0.0.1", device)


def test_an_address_is_locked_and_others_are_not(house: House) -> None:
    password = house.accounts.add("zhang", CITY, "a reason", "root")
    for i in range(ADDRESS_TRIES):
        assert house.refused(f"someone{i}", address="10.9.9.9") == "Refused"
    assert house.refused("zhang", password, "10.9.9.9") == "Locked"
    assert house.accounts.sign_in("zhang", password, "10.9.9.8")


def test_a_right_password_does_not_count_against_an_address(house: House) -> None:
    password = house.accounts.add("zhang", CITY, "a reason", "root")
    for _ in range(ADDRESS_TRIES + 5):
        house.accounts.sign_in("zhang", password, "10.9.9.9")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("unix:", "unknown"),
        ("", "unknown"),
    ],
)
def test_whom_tries_are_counted_with(address: str, counted: str) -> None:
    assert network(address) == counted


def test_tries_at_once_are_counted_one_by_one(house: House) -> None:
    """Or a crowd of requests would try a hundred passwords before the first is counted."""
    house.accounts.add("zhang", CITY, "a reason", "root")
    said: list[str] = []

    def one(i: int) -> None:
        while True:
            kind = house.refused("zhang", address=f"10.1.0.{i}")
            if kind != "Busy":
                said.append(kind)
                return
            time.sleep(0.005)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("Refused") == ACCOUNT_TRIES and len(said) == 40


def test_a_crowd_is_turned_away_before_anything_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.accounts.add("zhang", CITY, "a reason", "root")
    places = [house.accounts._desk.enter() for _ in range(WAITING)]
    before = house.events()
    assert house.refused("zhang") == "Busy"
    with house.store.read() as con:
        assert con.execute(sa.select(sa.func.count()).select_from(ATTEMPT)).scalar_one() == 0
    assert house.events() == before
    for place in places:
        place.__exit__()
    assert house.refused("zhang") == "Refused"
    # Nor does one count that waited in vain.
    monkeypatch.setattr("dashboards.gate.passwords.PATIENCE", 0.0)
    monkeypatch.setattr("dashboards.gate.passwords._fits", lambda *_: time.sleep(0.2))
    for _ in range(ACCOUNT_TRIES + 3):
        assert house.refused("zhang") == "Busy"
    with house.store.read() as con:
        assert set(con.execute(sa.select(ATTEMPT.c.failures)).scalars()) == {1}


@pytest.mark.parametrize(("strangers", "crowd"), [(True, WAITING), (True, 1), (False, WAITING)])
def test_a_desk_of_strangers_rests_while_it_is_crowded(
    strangers: bool, crowd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that wrong passwords leave memory and processor to pages."""
    desk = Desk(strangers)
    mine = desk.begin(threading.get_ident).result()
    rested: list[int] = []
    # Desks of other tests may be resting still, which is no matter of this one.
    monkeypatch.setattr(
        "dashboards.gate.passwords.time.sleep", lambda _: rested.append(threading.get_ident())
    )
    places = [desk.enter() for _ in range(crowd)]
    assert not places[0].fits("", "wrong")
    desk.begin(lambda: None).result()
    assert (mine in rested) == (strangers and crowd == WAITING)
    for place in places:
        place.__exit__()


def test_nothing_that_is_kept_opens_anything(house: House) -> None:
    password = house.accounts.add("zhang", CITY, "a reason", "root")
    token = house.accounts.sign_in("zhang", password, "10.0.0.1")
    house.refused("my-secret-password-in-the-wrong-field", "x")
    with house.store.read() as con:
        kept = [
            str(value)
            for table in METADATA.sorted_tables
            for row in con.execute(sa.select(table)).all()
            for value in row
        ]
    for secret in (password, token, "my-secret-password-in-the-wrong-field"):
        # The account tried under a name is what the limits are about; it is gone with its window.
        where = [value for value in kept if secret in value and not value.startswith("account:")]
        assert where == []
    with house.store.read() as con:
        stored = con.execute(sa.select(SESSION.c.digest)).scalar_one()
    assert house.accounts.who(stored) is None


def test_the_password_is_kept_by_argon2_and_renewed_when_the_measure_rises(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = house.accounts.add("zhang", CITY, "a reason", "root")
    monkeypatch.setattr("dashboards.gate.passwords.HASHER", HASHER)
    house.accounts.sign_in("zhang", password, "10.0.0.1")
    with house.store.read() as con:
        kept = con.execute(sa.select(ACCOUNT.c.password)).scalar_one()
    assert str(kept).startswith("$argon2id$v=19$m=65536,t=2,p=1$")
    house.accounts.sign_in("zhang", password, "10.0.0.1")


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.gate.passwords.HASHER", HASHER)
    worked: list[str] = []
    real = HASHER.verify
    monkeypatch.setattr(
        type(HASHER), "verify", lambda self, kept, given: worked.append(kept) or real(kept, given)
    )
    _nobodys.cache_clear()
    house.accounts._desk = Desk(strangers=True)
    house.accounts.add("zhang", CITY, "a reason", "root")
    house.accounts.add("wang", CITY, "a reason", "root", provider=True)
    for name in ("zhang", "nobody", "wang"):
        assert house.refused(name) == "Refused"
    measures = {kept.partition("p=1$")[0] for kept in worked}
    assert len(worked) == 3 and len(measures) == 1


def test_the_provider_binds_a_name_to_a_person(house: House) -> None:
    house.accounts.add("zhang", CITY, "a reason", "root", provider=True)
    local = house.accounts.add("li", CITY, "a reason", "root")
    token = house.accounts.sign_in_by_provider("ZHANG", "issuer 1", "10.0.0.1")
    assert house.accounts.who(token)
    for name, subject in (("zhang", "issuer 2"), ("li", "issuer 1"), ("nobody", "issuer 1")):
        with pytest.raises(Refused):
            house.accounts.sign_in_by_provider(name, subject, "10.0.0.1")
    assert house.refused("zhang", "") == "Refused"
    with pytest.raises(AccountError, match="provider"):
        house.accounts.new_password("zhang", "a reason", "root")
    assert house.accounts.sign_in("li", local, "10.0.0.1")
    for undo in (False, True):
        house.accounts.disable("zhang", "is another person now", "root", undo)
    assert house.accounts.sign_in_by_provider("zhang", "issuer 2", "10.0.0.1")
    whys = [line.detail.get("why") for line in house.audit.lines()]
    assert "another person of that name" in whys


def test_a_link_works_once_and_for_the_demonstration_alone(house: House) -> None:
    house.accounts.add("zhang", CITY, "a reason", "root")
    house.accounts.add("demo-city", CITY, "a reason", "root", demonstration=True)
    with pytest.raises(AccountError):
        house.accounts.link("zhang")
    ticket = house.accounts.link("demo-city")
    nonce, _, seal = ticket.partition(".")
    for wrong in ("", ".", nonce, f"{nonce}.{seal[:-1]}0", f"0{nonce[1:]}.{seal}", "é.é"):
        with pytest.raises(Refused):
            house.accounts.enter(wrong, "10.0.0.1")
    ticket = house.accounts.link("demo-city")
    assert house.accounts.who(house.accounts.enter(ticket, "10.0.0.1"))
    with pytest.raises(Refused):
        house.accounts.enter(ticket, "10.0.0.1")
    late = house.accounts.link("demo-city")
    house.clock.now += 3601
    with pytest.raises(Refused):
        house.accounts.enter(late, "10.0.0.1")


def test_there_is_no_demonstration_in_production(tmp_path: Path) -> None:
    items = [
        Item(path, owners, 1, "text/html", "0", {})
        for path, owners in (
            ("index.html", ("city:370400",)),
            ("district/1/index.html", ("city:370400", "district:1")),
            ("school/2/index.html", ("city:370400", "district:1", "school:2")),
        )
    ]
    shelf = Shelf(items, {"": {item.owners[-1]: item.path for item in items}})
    house = House(tmp_path, "")
    first = demonstrate(house.settings, house.accounts, shelf, "root")
    assert [one.scope.key for one in first] == ["city:370400", "district:1", "school:2"]
    kept = house.settings.gate / "demonstration.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert demonstrate(house.settings, house.accounts, shelf, "root") == first
    token = house.accounts.sign_in(first[0].name, first[0].password, "10.0.0.1")
    other = demonstrate(house.settings, house.accounts, Shelf(items[:2], {"": {
        item.owners[-1]: item.path for item in items[:2]}}), "root")  # fmt: skip
    assert [one.scope.key for one in other] == ["city:370400", "district:1"]
    live = House(tmp_path, "", env="production")
    with pytest.raises(AccountError, match="production"):
        demonstrate(live.settings, live.accounts, shelf, "root")
    with pytest.raises(AccountError, match="production"):
        live.accounts.add("demo-x", CITY, "a reason", "root", demonstration=True)
    assert live.accounts.who(token) is None
    assert live.refused(first[0].name, first[0].password) == "Refused"
    with pytest.raises(AccountError):
        live.accounts.link(first[0].name)


# The audit log


def edit(house: House, *statements: sa.Executable) -> None:
    """Change the log past its guards, as who owns the database can."""
    with house.store.engine.connect() as con:
        if con.dialect.name == "sqlite":
            for name in ("gate_audit_kept", "gate_audit_held"):
                con.exec_driver_sql(f"drop trigger if exists {name}")
        else:
            con.exec_driver_sql("alter table gate_audit disable trigger gate_audit_kept")
        for statement in statements:
            con.execute(statement)
        con.commit()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            lambda: [sa.update(AUDIT).where(AUDIT.c.seq == 3).values(actor="x")],
            "line 3 was changed",
        ),
        (
            lambda: [sa.update(AUDIT).where(AUDIT.c.seq == 3).values(at="2020")],
            "line 3 was changed",
        ),
        (lambda: [sa.delete(AUDIT).where(AUDIT.c.seq == 3)], "lines 3 to 3 are missing"),
        (lambda: [sa.delete(AUDIT).where(AUDIT.c.seq <= 3)], "lines 1 to 3 are missing"),
        (lambda: [sa.delete(AUDIT).where(AUDIT.c.seq > 4)], "lines after 4 are missing"),
        (lambda: [sa.delete(AUDIT)], "lines after 0 are missing"),
        (
            lambda: [
                sa.update(AUDIT).where(AUDIT.c.seq == 3).values(seq=100),
                sa.update(AUDIT).where(AUDIT.c.seq == 4).values(seq=3),
                sa.update(AUDIT).where(AUDIT.c.seq == 100).values(seq=4),
            ],
            "line 3 was changed",
        ),
    ],
)
def test_a_changed_log_is_found(
    house: House, harm: Callable[[], list[sa.Executable]], said: str
) -> None:
    for i in range(6):
        house.audit.tell("downloaded", f"somebody{i}", "10.0.0.1", path="downloads/a.csv")
    assert house.audit.verify().faults == []
    edit(house, *harm())
    assert any(said in fault for fault in house.audit.verify().faults)


def test_a_log_cut_short_is_found_by_what_was_noted(house: House) -> None:
    for i in range(6):
        house.audit.tell("downloaded", f"somebody{i}")
    noted = house.audit.verify().end
    house.audit.tell("downloaded", "somebody")
    assert house.audit.verify(noted).faults == []
    with house.store.read() as con:
        third = con.execute(sa.select(AUDIT.c.digest).where(AUDIT.c.seq == 3)).scalar_one()
    edit(
        house,
        sa.delete(AUDIT).where(AUDIT.c.seq > 3),
        sa.text(f"update gate_audit_head set seq = 3, digest = '{third}'"),
    )
    assert house.audit.verify().faults == [], "which the chain alone can't tell"
    assert house.audit.verify(noted).faults == ["line 6 is not the one that was noted"]


def test_the_log_can_only_grow(house: House) -> None:
    house.audit.tell("downloaded", "somebody")
    for statement in (sa.update(AUDIT).values(actor="x"), sa.delete(AUDIT)):
        with pytest.raises(sa.exc.DBAPIError, match="audit log"), house.store.write() as con:
            con.execute(statement)
    assert house.events() == ["downloaded"]


def test_old_lines_go_and_the_chain_holds(house: House) -> None:
    for i in range(4):
        house.audit.tell("downloaded", f"somebody{i}")
    assert house.audit.prune("root") == 0
    # Two lines of long ago: made so by a clock, not by editing.
    import dashboards.gate.audit as module

    class Then(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=201)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "datetime", Then)
        house.audit.tell("downloaded", "later")
        with pytest.raises(sa.exc.DBAPIError, match="six months"):
            # The database's own clock does not know of such haste.
            house.audit.prune("root")
    assert house.audit.verify().faults == []


def test_pruned_lines_leave_a_sound_chain(house: House) -> None:
    real = datetime.now(UTC)
    import dashboards.gate.audit as module

    def at(days: int) -> type[datetime]:
        class Then(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return real - timedelta(days=days)

        return Then

    for days in (400, 300, 210, 10, 5):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "datetime", at(days))
            house.audit.tell("downloaded", f"{days} days ago")
    assert house.audit.prune("root") == 3
    assert [line.seq for line in house.audit.lines()] == [4, 5, 6]
    assert house.audit.verify().faults == []
    assert house.audit.verify("2:" + "0" * 64).faults == [], "what was noted is gone in good order"
    edit(house, sa.update(AUDIT).where(AUDIT.c.seq == 4).values(actor="x"))
    assert house.audit.verify().faults == ["line 4 was changed"]


def test_lines_of_many_at_once_form_one_chain(house: House) -> None:
    def tell(i: int) -> None:
        for _ in range(10):
            house.audit.tell("downloaded", f"somebody{i}")

    threads = [threading.Thread(target=tell, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = house.audit.verify()
    assert verdict.lines == 60 and verdict.faults == []


def test_a_line_can_be_neither_broken_nor_filled(house: House) -> None:
    house.audit.tell("not_found", "x\ny\x00", "a" * 100, path="é\u2028" + "p" * 5000, count=3)
    (line,) = house.audit.lines()
    assert line.actor == "x?y?" and len(line.address) == 64
    assert len(line.detail["path"]) == 300 and line.detail["count"] == 3
    assert house.audit.verify().faults == []


def test_what_is_done_over_and_over_is_told_now_and_then() -> None:
    tally = Tally()
    told = [n for n in (tally.count("a", 0) for _ in range(100_000)) if n]
    assert told == [*range(1, 21), 100, 1000, 10_000, 100_000]
    assert tally.count("b", 0) == 1
    assert tally.count("a", 2) is None and tally.count("a", 4000) == 1
    for i in range(3 * Tally.KEYS):
        tally.count(f"key{i}", 0)
    assert len(tally._counts) <= Tally.KEYS


def test_the_state_is_its_owners_alone(tmp_path: Path) -> None:
    house = House(tmp_path, "")
    house.accounts.add("zhang", CITY, "a reason", "root")
    gate = house.settings.gate
    assert stat.S_IMODE(gate.stat().st_mode) == 0o700
    files = list(gate.iterdir())
    assert {f.name for f in files} >= {"key", "accounts.sqlite"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    (gate / "key").chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        House(tmp_path, "")
