"""Queries on staff, lessons, training and what a school has, against each other and the year."""

from pipelines.quality.queries.base import FIRST_YEAR, place_of, query

LESSONS_A_DAY = 8
ONE_DAY_LESSONS = 20
"""Lessons of a file that all bear one date, from which on it is asked about."""
HOURS_A_DAY = 10
RESOURCES_SHARE, RESOURCES_LEAST = 0.05, 20
"""Students counted in resources may differ from the register by the larger of both."""
WITH_PRINCIPAL = 0.5
"""A year in which fewer schools have a principal has no staff of schools handed in yet."""
AGES_AGO, AGES_AHEAD = "date '0001-01-01'", "date '9999-12-31'"

DATED = {
    "lesson_observations": ("observed_on",),
    "training_logs": ("started_on", "ended_on"),
    "monitoring_waves": ("held_on",),
    "official_visits": ("visited_on",),
}
"""Days that lie in the school year of their file's folder."""


def _year_start(plus: int = 0) -> str:
    return f"make_date({FIRST_YEAR} + {plus}, getvariable('start_month'), 1)"


def _outside_year(feed: str) -> str:
    days = " union all by name ".join(
        f"select {day} as day, source_file, source_sheet, source_row, school_year from {feed}"
        for day in DATED[feed]
    )
    return f"""
        select source_file, school_year, {place_of("d")},
            min(day)::varchar || case when max(day) > min(day) then '～' || max(day)::varchar
                else '' end as found,
            {_year_start()}::varchar || '～' || ({_year_start(1)} - 1)::varchar as expected,
            count(*) as strength
        from ({days}) as d
        where day < {_year_start()} or day >= {_year_start(1)}
        group by source_file, school_year
    """


@query("lesson_outside_year", "lesson_observations")
def lesson_outside_year() -> str:
    """Lessons on a day outside the school year."""
    return _outside_year("lesson_observations")


@query("training_outside_year", "training_logs")
def training_outside_year() -> str:
    """Training on a day outside the school year."""
    return _outside_year("training_logs")


@query("wave_outside_year", "monitoring_waves")
def wave_outside_year() -> str:
    """Waves held on a day outside the school year."""
    return _outside_year("monitoring_waves")


@query("visit_outside_year", "official_visits")
def visit_outside_year() -> str:
    """Visits on a day outside the school year."""
    return _outside_year("official_visits")


@query("observer_not_in_post", "lesson_observations")
def observer_not_in_post() -> str:
    """Lessons observed before the observer took the post, or after leaving it."""
    return f"""
        select l.source_file, l.school_year, l.observer_code as person, {place_of("l")},
            min(l.observed_on)::varchar || case when max(l.observed_on) > min(l.observed_on)
                then '～' || max(l.observed_on)::varchar else '' end as found,
            coalesce(s.started_on::varchar, '…') || '～' || coalesce(s.left_on::varchar, '…')
                as expected,
            count(*) as strength
        from lesson_observations as l
        join staff as s on s.school_year = l.school_year and s.staff_code = l.observer_code
        where l.observed_on < s.started_on or l.observed_on > s.left_on
        group by l.source_file, l.school_year, l.observer_code, s.started_on, s.left_on
    """


@query("lessons_a_day", "lesson_observations")
def lessons_a_day() -> str:
    """More lessons of one observer on a day than a day has, over all files."""
    return f"""
        with full_day as (
            select school_year, observer_code, observed_on,
                sum(coalesce(lessons, 1))::bigint as lessons
            from lesson_observations group by all having sum(coalesce(lessons, 1)) > {LESSONS_A_DAY}
        )
        select l.source_file, l.school_year, {place_of("l")},
            l.observer_code || ' ' || l.observed_on::varchar as person,
            d.lessons::varchar as found, '{LESSONS_A_DAY}' as expected, d.lessons as strength
        from lesson_observations as l join full_day as d
            using (school_year, observer_code, observed_on)
        group by l.source_file, l.school_year, l.observer_code, l.observed_on, d.lessons
    """


@query("two_schools_one_period", "lesson_observations")
def two_schools_one_period() -> str:
    """One observer in two schools in the same period of a day."""
    return f"""
        with double as (
            select school_year, observer_code, observed_on, period
            from lesson_observations where period is not null group by all
            having min(school_code) < max(school_code)
        ),
        torn as (
            select school_year, observer_code, observed_on, period,
                string_agg(distinct school_code, '、' order by school_code) as schools,
                count(distinct school_code) as n
            from lesson_observations
            semi join double using (school_year, observer_code, observed_on, period)
            group by all
        )
        select l.source_file, l.school_year, {place_of("l")},
            l.observer_code || ' ' || l.observed_on::varchar || ' ' || l.period as person,
            t.schools as found, t.n as strength
        from lesson_observations as l join torn as t
            using (school_year, observer_code, observed_on, period)
        group by l.source_file, l.school_year, l.observer_code, l.observed_on, l.period,
            t.schools, t.n
    """


@query("teacher_elsewhere", "lesson_observations")
def teacher_elsewhere() -> str:
    """Lessons in another school than the one where the teacher works in that school year."""
    return f"""
        select l.source_file, l.school_year, l.school_code, {place_of("l")},
            count(*)::varchar as found,
            string_agg(distinct s.school_code, '、' order by s.school_code) as expected,
            count(*) as strength
        from lesson_observations as l
        join staff as s on s.school_year = l.school_year and s.staff_code = l.teacher_code
        where s.school_code <> l.school_code
        group by l.source_file, l.school_year, l.school_code
    """


@query("lessons_lost_zero", "lesson_observations")
def lessons_lost_zero() -> str:
    """Lessons of a class such as 7.1 in a file that never writes 7.10, where there are both.

    Which class was meant no lesson can tell; of results, the students in it do.
    """
    return f"""
        with paired as (
            select distinct a.school_year, a.school_code, a.grade, a.class_no
            from roll as a join roll as b on b.school_year = a.school_year
                and b.school_code = a.school_code and b.grade = a.grade
                and b.class_no = a.class_no || '0'
        )
        select l.source_file, l.school_year, l.school_code, l.grade, l.class_no, {place_of("l")},
            count(*)::varchar as found, l.class_no || '、' || l.class_no || '0' as expected,
            count(*) as strength
        from lesson_observations as l join pointed using (source_file)
        join paired using (school_year, school_code, grade, class_no)
        group by l.source_file, l.school_year, l.school_code, l.grade, l.class_no
    """


@query("one_date_file", "lesson_observations")
def one_date_file() -> str:
    """A file of many lessons, all on one day: perhaps the day on which it was typed."""
    return f"""
        select source_file, school_year, {place_of("l")}, count(*)::varchar as found,
            min(observed_on)::varchar as expected, count(*) as strength
        from lesson_observations as l group by source_file, school_year
        having count(*) >= {ONE_DAY_LESSONS} and min(observed_on) = max(observed_on)
    """


@query("hours_a_day", "training_logs")
def hours_a_day() -> str:
    """More hours of training than its days can hold, by session."""
    return f"""
        select source_file, school_year, {place_of("t")},
            programme_code || ' ' || session_no as person,
            max(hours)::double::varchar as found,
            format('{{}} × {{}}', min(ended_on - started_on + 1), {HOURS_A_DAY}) as expected,
            max(hours / (ended_on - started_on + 1)) as strength
        from training_logs as t
        where ended_on >= started_on and hours > {HOURS_A_DAY} * (ended_on - started_on + 1)
        group by source_file, school_year, programme_code, session_no
    """


@query("overlapping_training", "training_logs")
def overlapping_training() -> str:
    """Persons at two concentrated sessions at one time, by the two programmes.

    Told in the files of the session that starts later; ends that only touch are a day of travel.
    """
    return f"""
        with session as (
            select *, programme_code || ' ' || session_no as session from training_logs
            where mode = 'concentrated' and ended_on >= started_on
        )
        select b.source_file, b.school_year, {place_of("b")}, b.session as person,
            count(distinct b.staff_code)::varchar as found,
            format('{{}} ({{}}～{{}})', a.session, min(a.started_on), max(a.ended_on)) as expected,
            count(*) as strength
        from session as a
        join session as b on b.staff_code = a.staff_code and b.session <> a.session
            and (b.started_on, b.session) > (a.started_on, a.session)
            and b.started_on < a.ended_on
        group by b.source_file, b.school_year, a.session, b.session
    """


@query("two_principals", "staff")
def two_principals() -> str:
    """A school with two principals at a time, told in the file of the one who came later."""
    return f"""
        with principal as (
            select *, coalesce(started_on, {AGES_AGO}) as came,
                coalesce(left_on, {AGES_AHEAD}) as went
            from staff where role = 'principal' and school_code is not null
        )
        select b.source_file, b.school_year, b.school_code, {place_of("b")},
            string_agg(distinct a.staff_code || '、' || b.staff_code, '；'
                order by a.staff_code || '、' || b.staff_code) as found,
            count(*) as strength
        from principal as a
        join principal as b on b.school_year = a.school_year and b.school_code = a.school_code
            and (b.came, b.staff_code) > (a.came, a.staff_code)
            and b.came < a.went and a.came < b.went
        group by b.source_file, b.school_year, b.school_code
    """


@query("no_principal", "staff")
def no_principal() -> str:
    """An open school that has staff, none of them its principal, where most schools have one."""
    return f"""
        with school as (
            select s.school_year, s.school_code,
                bool_or(t.role = 'principal') as has_principal
            from schools as s join staff as t using (school_year, school_code)
            where s.closed_on is null or s.closed_on >= {_year_start()}
            group by all
        ),
        odd as (
            select *, avg(has_principal::integer) over (partition by school_year) as usual
            from school qualify usual >= {WITH_PRINCIPAL} and not has_principal
        )
        select t.source_file, t.school_year, t.school_code, {place_of("t")},
            count(*)::varchar as found, count(*) as strength
        from staff as t join odd using (school_year, school_code)
        group by t.source_file, t.school_year, t.school_code
    """


@query("resources_register", "school_resources")
def resources_register() -> str:
    """Students counted among a school's resources against its register, in the stages handed in."""
    return f"""
        with grades as (
            select distinct school_year, school_code, g.grade
            from school_resources join stage_grade as g using (stage)
        ),
        enrolled as (
            select school_year, school_code, count(*)::bigint as on_roll
            from roll join grades using (school_year, school_code, grade) group by all
        ),
        counted as (
            select school_year, school_code, sum(students)::bigint as students
            from school_resources group by all
        ),
        odd as (
            select * from counted join enrolled using (school_year, school_code)
            where abs(students - on_roll) > greatest({RESOURCES_LEAST}, {RESOURCES_SHARE} * on_roll)
        )
        select r.source_file, r.school_year, r.school_code, {place_of("r")},
            o.students::varchar as found, o.on_roll::varchar as expected,
            abs(o.students - o.on_roll) / sqrt(o.on_roll) as strength
        from school_resources as r join odd as o using (school_year, school_code)
        group by r.source_file, r.school_year, r.school_code, o.students, o.on_roll
    """


PEOPLE = (
    observer_not_in_post,
    lessons_a_day,
    two_schools_one_period,
    teacher_elsewhere,
    lessons_lost_zero,
    one_date_file,
    lesson_outside_year,
    hours_a_day,
    overlapping_training,
    training_outside_year,
    two_principals,
    no_principal,
    resources_register,
    wave_outside_year,
    visit_outside_year,
)
