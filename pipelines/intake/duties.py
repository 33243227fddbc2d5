"""Who owes what by when, and what came of it: schools × feeds × waves against the ledger.

A unit has handed in when landed rows carry its code, in whichever file. A file that was refused has
no rows: it counts for the units whose code stands in its path, or else the one school whose name
does, and for those whose rows an earlier version of it carried. Where several files are a unit's,
the state told is the one that most needs something done.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from pipelines.feeds import duties
from pipelines.intake.ledger import Ledger
from pipelines.intake.states import PRESSING, FileState, retired, state_name
from pipelines.intake.submissions import register_view, submissions
from pipelines.settings import Settings

SPANS = {
    "primary": ["primary"], "junior": ["junior"], "senior": ["senior"],
    "nine_year": ["primary", "junior"], "secondary": ["junior", "senior"],
    "twelve_year": ["primary", "junior", "senior"],
}  # fmt: skip
"""Stages that a school of each type has."""


@dataclass(frozen=True)
class Owed:
    """One thing that a unit owes."""

    feed: str
    school_year: str
    wave_id: str
    """Empty where it is owed once a school year."""
    level: str
    """city, district or school."""
    unit_code: str
    unit_name: str
    due_on: date
    due_assumed: bool
    """Whether no wave says the day: it is the one that `duties.yml` assumes for a school year."""
    state: str
    state_zh: str
    overdue: bool
    """Whether the day has passed and nothing stands or waits to be approved."""
    submission_id: str
    """Of the file that the state is of; empty where there is none."""
    file: str
    files: int
    errors: int
    queries: int
    received_at: datetime | None
    """Arrival of its newest file, UTC."""


def owed(
    settings: Settings, files: list[FileState] | None = None, today: date | None = None
) -> list[Owed]:
    """Everything that is owed, by feed, school year, wave and unit.

    Args:
        settings: the home; its setting `as_of` moves everything to that moment.
        files: the submissions, where they are known already.
        today: the day on which a duty is overdue or not; that of the city by default.
    """
    ledger = Ledger(settings)
    moment = settings.as_of_utc
    if today is None:
        at = moment.replace(tzinfo=UTC) if moment else datetime.now(UTC)
        today = at.astimezone(ZoneInfo(settings.time_zone)).date()
    present = [f for f in (submissions(settings) if files is None else files) if f.present]
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        for feed in ("districts", "schools", "monitoring_waves"):
            register_view(con, settings, ledger, feed)
        con.register("file", _files(present))
        con.register("carries", _table(ledger.carried(), ["submission_id", "wave_id", "unit_code"]))
        con.register("duty", _duties())
        taught = [
            (kind, grade)
            for kind, stages in SPANS.items()
            for stage in stages
            for grade in settings.stages.get(stage, [])
        ]
        con.register(
            "taught",
            pa.table(
                {
                    "stage": pa.array([k for k, _ in taught], pa.string()),
                    "grade": pa.array([g for _, g in taught], pa.int32()),
                }
            ),
        )
        city = {"city": settings.unit_code, "name": settings.unit_name_zh}
        starts = settings.school_year_start_month
        first = today.year - (today.month < starts)
        year = {"starts": starts, "year": f"{first}-{first + 1}"}
        con.execute(EXPECTED, {**city, **year})
        con.execute(NAMED)
        con.execute(HANDED)
        rows = con.execute(ANSWER).fetchall()
    done, over = [], retired(ledger)
    for row in rows:
        feed, year, wave, level, unit, unit_name, due, rank, submission, file, n, *rest = row
        if (feed, year) in over:
            continue
        errors, queries, received = rest
        state = "not_submitted" if rank is None else PRESSING[rank]
        late = due < today and state in ("not_submitted", "returned")
        done.append(
            Owed(
                feed, year, wave, level, unit, unit_name, due, not wave, state,
                state_name(state, "zh"), late, submission or "", file or "", n, errors, queries,
                received,
            )
        )  # fmt: skip
    return done


def _duties() -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "feed": feed, "level": duty.by, "per": duty.per, "place": place,
                "month": int(duty.due[:2]) if isinstance(duty.due, str) else None,
                "day": int(duty.due[3:]) if isinstance(duty.due, str) else None,
                "days": duty.due if isinstance(duty.due, int) else None,
            }
            for place, (feed, duty) in enumerate(duties().items())
        ],
        pa.schema(
            {"feed": pa.string(), "level": pa.string(), "per": pa.string(), "place": pa.int32(),
             "month": pa.int32(), "day": pa.int32(), "days": pa.int32()}
        ),
    )  # fmt: skip


def _files(files: list[FileState]) -> pa.Table:
    rank = {state: at for at, state in enumerate(PRESSING)}
    return pa.Table.from_pylist(
        [
            {
                "submission_id": f.submission_id, "feed": f.feed, "school_year": f.school_year,
                "source_file": f.source_file, "rank": rank[f.state], "errors": f.errors,
                "queries": f.queries, "received_at": f.received_at,
            }
            for f in files
        ],
        pa.schema(
            {"submission_id": pa.string(), "feed": pa.string(), "school_year": pa.string(),
             "source_file": pa.string(), "rank": pa.int32(), "errors": pa.int64(),
             "queries": pa.int64(), "received_at": pa.timestamp("us")}
        ),
    )  # fmt: skip


def _table(rows: list[tuple[Any, ...]], names: list[str]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)})


EXPECTED = """
create temp table expected as
with years as (
    select school_year from schools
    union select school_year from file where school_year <> ''
    union select $year where exists (select 1 from file)
),
wave as (
    select school_year, wave_id, min(held_on) as held_on, any_value(level) as level,
        any_value(district_code) as district_code, any_value(school_code) as school_code
    from monitoring_waves group by school_year, wave_id
),
sat as (
    select distinct school_year, wave_id, stage
    from monitoring_waves join taught using (grade)
),
period as (
    select d.feed, d.place, d.level, y.school_year, '' as wave_id, null::date as held_on,
        'city' as organiser, null as of_district, null as of_school,
        -- A day that a month lacks is its last.
        least(
            make_date(
                y.school_year[1:4]::int + (d.month < $starts)::int, d.month, 1
            ) + to_days(d.day - 1),
            last_day(make_date(y.school_year[1:4]::int + (d.month < $starts)::int, d.month, 1))
        )::date as due_on
    from duty as d cross join years as y
    where d.per = 'year'
    union all
    select d.feed, d.place, d.level, w.school_year, w.wave_id, w.held_on,
        if(w.level in ('district', 'school'), w.level, 'city'),
        if(w.level in ('district', 'school'), w.district_code, null),
        if(w.level = 'school', w.school_code, null), (w.held_on + to_days(d.days))::date
    from duty as d cross join wave as w
    where d.per = 'wave' and w.held_on is not null
)
select p.place, p.feed, p.school_year, p.wave_id, 'school' as level, s.school_code as unit_code,
    s.school_name as unit_name, p.due_on
from period as p
join schools as s using (school_year)
where p.level = 'school'
    and coalesce(s.opened_on <= coalesce(p.held_on, p.due_on), true)
    and coalesce(s.closed_on > coalesce(p.held_on, p.due_on), true)
    and coalesce(s.district_code = p.of_district, true)
    and coalesce(s.school_code = p.of_school, true)
    and (
        p.wave_id = ''
        or (p.school_year, p.wave_id, s.stage) in (select (school_year, wave_id, stage) from sat)
    )
union all
select p.place, p.feed, p.school_year, p.wave_id, 'district', d.district_code, d.district_name,
    p.due_on
from period as p
join districts as d using (school_year)
where p.level = 'district' and p.organiser <> 'school'
    and coalesce(d.district_code = p.of_district, true)
union all
select place, feed, school_year, wave_id, 'city', $city, $name, due_on
from period where level = 'city' and organiser = 'city'
"""
"""Who owes what by when: `place` keeps the order of the feeds."""

NAMED = """
create temp table named as
with refused as (
    select f.submission_id, f.school_year, f.source_file from file as f
    where f.submission_id not in (select submission_id from carries)
),
unit as (
    select school_year, school_code as unit_code, school_name as unit_name from schools
    union all
    select school_year, district_code, district_name from districts
),
by_code as (
    select submission_id, unit_code
    from refused join unit using (school_year) where contains(source_file, unit_code)
),
-- The longest name counts: 第一小学 also stands in 新城第一小学.
by_name as (
    select submission_id, unit_code,
        rank() over (partition by submission_id order by length(unit_name) desc) as nth
    from refused join unit using (school_year)
    where unit_name <> '' and contains(source_file, unit_name)
        and submission_id not in (select submission_id from by_code)
)
select submission_id, unit_code from by_code
union
select submission_id, min(unit_code) from by_name where nth = 1
group by submission_id having count(*) = 1
"""
"""Files without rows and the units that their paths name."""

HANDED = """
create temp table handed as
with held as (
    select f.submission_id, f.feed, f.school_year, c.wave_id, c.unit_code
    from file as f join carries as c using (submission_id)
    union
    -- Refused: the wave is the one that the path names, or any.
    select f.submission_id, f.feed, f.school_year,
        (
            select max(w.wave_id) from monitoring_waves as w
            where w.school_year = f.school_year and contains(f.source_file, w.wave_id)
        ),
        n.unit_code
    from file as f left join named as n using (submission_id)
    where f.submission_id not in (select submission_id from carries)
    union
    -- An earlier version that stands says whose it is.
    select f.submission_id, f.feed, f.school_year, c.wave_id, c.unit_code
    from file as f
    join file as earlier on f.source_file = earlier.source_file
        and f.submission_id <> earlier.submission_id
    join carries as c on c.submission_id = earlier.submission_id
    where f.submission_id not in (select submission_id from carries)
)
select h.submission_id, h.feed, h.school_year, h.wave_id, 'school' as level, h.unit_code
from held as h where h.unit_code is not null
union
select h.submission_id, h.feed, h.school_year, h.wave_id, 'district',
    coalesce(s.district_code, h.unit_code)
from held as h left join schools as s
    on h.unit_code = s.school_code and h.school_year = s.school_year
where h.unit_code is not null
union
select submission_id, feed, school_year, wave_id, 'city', null from held
"""
"""Whose each file is: as a school's, as a district's, as the city's; wave null means any."""

ANSWER = """
with matched as (
    select e.*, f.*  exclude (feed, school_year)
    from expected as e
    left join handed as h
        on e.feed = h.feed and e.level = h.level
        and (e.level = 'city' or e.unit_code = h.unit_code)
        and if(
            e.wave_id = '', e.school_year = h.school_year,
            coalesce(e.wave_id = h.wave_id, e.school_year = h.school_year)
        )
    left join file as f using (submission_id)
)
select feed, school_year, wave_id, level, unit_code, any_value(coalesce(unit_name, '')), due_on,
    min(rank), arg_min(submission_id, (rank, source_file)),
    arg_min(source_file, (rank, source_file)), count(submission_id),
    coalesce(sum(errors), 0)::bigint, coalesce(sum(queries), 0)::bigint, max(received_at)
from matched
group by place, feed, school_year, wave_id, level, unit_code, due_on
order by place, school_year, wave_id, level, unit_code, due_on
"""
