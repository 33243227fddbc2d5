"""Queries on the results of a wave: who sat, where, and with which scores."""

from pipelines.quality.queries.base import FIRST_YEAR, LEVEL, in_files, place, query

MORE_SHARE, MORE_LEAST = 0.05, 5
"""More candidates than enrolled by more than both are asked about: some moved in since."""
FEWER_SHARE, FEWER_LEAST = 0.20, 10
"""Fewer by more than both are asked about."""
WHOLE_WAVE = 0.90
"""A wave in which half the schools have a smaller share of their students tested a sample."""
ELSEWHERE_SHARE, ELSEWHERE_LEAST = 0.05, 5
"""Students of a file who are somewhere else in the register: from both on, it is asked about."""
JUMP_STUDENTS = 30
"""Fewer scores in either year give no change."""
JUMP_PEERS, JUMP_CHANGES = 20, 100
"""Schools in a year's paper, and changes in all, without which nothing usual is known."""
JUMP_SPREADS = 4
JUMP_LEAST = 0.10
"""Smaller changes of a pass rate, beside the usual one, are not asked about."""
MAD_TO_SD = 1.4826
DIGIT_SCORES = 100
DIGIT_WHOLE = 0.9
"""Share of whole scores below which half marks are usual, and last digits say nothing."""
DIGIT_PEERS = 1000
"""Scores of other schools, from which on their digits are known."""
DIGIT_EFFECT = 0.3
"""Cohen's w (1988): from here on the departure is of medium size."""
MARK_SCORES = 20
"""Scores in the two bands beside the mark; fewer can't be judged."""
MARK_SLOPE_ERRORS = 3
ALIKE_STUDENTS = 15
"""Scores of a class, and of a school's grade, from which on equal ones are asked about."""
ALIKE_PEERS = 30
ALIKE_SHARE = 0.5
"""Share that one score is taken to have where too few others sat the paper to tell."""

SCHOOL_GRADE = ("wave_id", "school_year", "school_code", "grade")
SCHOOL_SUBJECT = ("wave_id", "school_year", "school_code", "subject")
PAPER_SCHOOL = (*SCHOOL_GRADE, "subject")
PAPER_CLASS = (*PAPER_SCHOOL, "class_no")
VARIED = f"(select * from cell where n < {ALIKE_STUDENTS} or lowest < highest)"
"""Classes of one score have a rule of their own; their one digit is not asked about again."""


@query("candidates_register", "monitoring_results")
def candidates_register() -> str:
    """Students of a school's grade in a wave against those enrolled there in that school year.

    Method: candidates are the enrolled who should have sat, so that the two counts are one but for
    those who moved. A wave that tests a sample is told by its median share and only asked about
    schools with more candidates than students.
    """
    units = f"""(
        with there as (
            select {", ".join(SCHOOL_GRADE)}, count(distinct student)::bigint as sat
            from sat group by all
        ),
        enrolled as (
            select school_year, school_code, grade, count(*)::bigint as on_roll
            from roll group by all
        ),
        compared as (
            select *, median(sat / on_roll) over (partition by wave_id, grade) as usual
            from there join enrolled using (school_year, school_code, grade)
        )
        select {", ".join(SCHOOL_GRADE)}, sat::varchar as found, on_roll::varchar as expected,
            abs(sat - on_roll) / sqrt(on_roll) as strength
        from compared
        where sat - on_roll > greatest({MORE_LEAST}, {MORE_SHARE} * on_roll)
            or (usual >= {WHOLE_WAVE}
                and on_roll - sat > greatest({FEWER_LEAST}, {FEWER_SHARE} * on_roll))
    )"""
    return in_files(units, SCHOOL_GRADE)


def _elsewhere(which: str) -> str:
    return f"""
        select source_file, school_year, wave_id, {place(only=which)},
            count(distinct student) filter (where {which})::bigint as rows,
            rows::varchar as found, count(distinct student)::varchar as expected, rows as strength
        from against_roll
        group by source_file, school_year, wave_id
        having rows >= greatest({ELSEWHERE_LEAST}, {ELSEWHERE_SHARE} * count(distinct student))
    """


@query("results_other_school", "monitoring_results")
def results_other_school() -> str:
    """Students of a file whose school is another one in the register of that school year."""
    return _elsewhere("other_school")


@query("results_other_class", "monitoring_results")
def results_other_class() -> str:
    """Students of a file who are in the register's school, but in another grade or class."""
    return _elsewhere("other_class")


@query("two_places", "monitoring_results")
def two_places() -> str:
    """Students whom two files have in different schools, grades or classes in one wave.

    Told in each of the files. Within one file it is looked for when the file is read; between waves
    a student may move; and a register holds a student once: its key says so.
    """
    return f"""
        with torn as (
            select wave_id, student from sat group by all
            having min(source_file) < max(source_file)
                and (min(school_code) < max(school_code) or min(grade) < max(grade)
                    or min(class_no) < max(class_no))
        )
        select source_file, school_year, wave_id, count(distinct student)::bigint as rows,
            {place()}, rows::varchar as found, rows as strength
        from sat join torn using (wave_id, student)
        group by source_file, school_year, wave_id
    """


@query("pass_rate_jump", "monitoring_results")
def pass_rate_jump() -> str:
    """A pass rate that moves more from one year to the next than its own history allows.

    Method: rates r of n are compared as x = arcsin √((r n + 3/8) / (n + 3/4)), whose sampling
    variance is about 1 / (4 n + 2) at any rate (Anscombe 1948, doi:10.1093/biomet/35.3-4.246).
    From each school's change the median change of all schools in that year, grade and subject is
    taken, so that a harder paper moves nobody. The true spread of changes is the widest of three,
    each less the usual sampling variance: that of all schools over all years of the series of
    waves, that of the paper's year alone, since a new kind of paper moves schools apart, both by
    the median absolute deviation (Rousseeuw & Croux 1993, doi:10.1080/01621459.1993.10476408), and
    the school's own where it has two or more earlier changes in that grade and subject.
    """
    course = "partition by series, school_code, grade, subject order by school_year"
    paper = "partition by series, school_year, grade, subject"
    units = f"""(
        with rate as (
            select p.series, c.school_year, c.school_code, c.grade, c.subject,
                sum(c.passed)::double / sum(c.n) as r,
                asin(sqrt((sum(c.passed) + 0.375) / (sum(c.n) + 0.75))) as x,
                1 / (4 * sum(c.n) + 2) as noise
            from cell as c join paper as p using (wave_id, grade, subject)
            group by all having sum(c.n) >= {JUMP_STUDENTS}
        ),
        change as (
            select *, lag(r) over course as r_before, lag(x) over course as x_before,
                x - lag(x) over course as moved, noise + lag(noise) over course as error
            from rate
            window course as ({course})
            qualify {FIRST_YEAR} = lag({FIRST_YEAR}) over course + 1
        ),
        beside as (
            select *, median(moved) over ({paper}) as usual, count(*) over ({paper}) as peers,
                median(r - r_before) over ({paper}) as usual_points,
                moved - median(moved) over ({paper}) as apart
            from change
        ),
        judged as (
            select *, count(*) over year as tests, count(*) over all_years as changes,
                sqrt(error + greatest(
                    0,
                    ({MAD_TO_SD} * mad(apart) over all_years) ** 2 - median(error) over all_years,
                    ({MAD_TO_SD} * mad(apart) over ({paper})) ** 2 - median(error) over ({paper}),
                    case when count(*) over before >= 2 then avg(apart ** 2 - error) over before end
                )) as sd
            from beside
            where peers >= {JUMP_PEERS}
            window year as (partition by series, school_year), all_years as (partition by series),
                before as ({course} rows between unbounded preceding and 1 preceding)
        )
        select series, school_year, school_code, grade, subject,
            percent(r_before) || ' → ' || percent(r) as found,
            percent(sin(greatest(0, x_before + usual - {JUMP_SPREADS} * sd)) ** 2) || '～'
                || percent(sin(least(pi() / 2, x_before + usual + {JUMP_SPREADS} * sd)) ** 2)
                as expected,
            abs(apart) / sd as strength
        from judged
        where changes >= {JUMP_CHANGES} and strength >= {JUMP_SPREADS}
            and normal_tail(strength) * tests <= {LEVEL}
            and abs(r - r_before - usual_points) >= {JUMP_LEAST}
    )"""
    cells = "(select c.*, p.series from cell as c join paper as p using (wave_id, grade, subject))"
    keys = ("series", "school_year", "school_code", "grade", "subject")
    return f"select * exclude (series) from ({in_files(units, keys, cells)})"


@query("digit_preference", "monitoring_results")
def digit_preference() -> str:
    """Last digits that a school's whole scores in a subject prefer.

    Method: chi-square of the last digit folded by 5 (0 and 5, 1 and 6, …), as in Whipple's index
    of age heaping (Spoorenberg 2007, doi:10.3917/popu.704.0847): over five neighbouring scores any
    smooth distribution is nearly level, over ten a narrow one is not. Both the uniform digits and
    those of the paper's other schools must be ruled out, since a paper of items of 2 points makes
    its own digits.
    """
    folds = [f"fold{i}" for i in range(5)]
    total = " + ".join(folds)
    against_uniform = " + ".join(f"({f} - n / 5) ** 2 / (n / 5)" for f in folds)
    against_others = " + ".join(f"({f} - n * {f}_share) ** 2 / (n * {f}_share)" for f in folds)
    sums = ", ".join(f"sum({f})::bigint as {f}" for f in folds)
    others = ", ".join(
        f"(sum({f}) over paper - {f} + 1) / (sum(n) over paper - n + 5) as {f}_share" for f in folds
    )
    units = f"""(
        with unit as (
            select {", ".join(SCHOOL_SUBJECT)}, {sums}, sum({total})::bigint as n,
                sum(n_whole) as whole, sum(n) as scores
            from {VARIED} group by {", ".join(SCHOOL_SUBJECT)}
        ),
        beside as (
            select *, sum(n) over paper - n as peers, {others}
            from unit window paper as (partition by wave_id, subject)
        ),
        judged as (
            select *, count(*) over (partition by wave_id) as tests,
                least({against_uniform}, case when peers >= {DIGIT_PEERS}
                    then {against_others} else 'infinity'::double end) as chi,
                list_position([{", ".join(folds)}], greatest({", ".join(folds)})) - 1 as digit
            from beside
            where n >= {DIGIT_SCORES} and whole >= {DIGIT_WHOLE} * scores
        )
        select {", ".join(SCHOOL_SUBJECT)},
            format('{{}}/{{}}: {{}}', digit, digit + 5, percent(greatest({", ".join(folds)}) / n))
                as found,
            format('{{}} (n = {{}})', percent(case when peers >= {DIGIT_PEERS}
                then [{", ".join(f"{f}_share" for f in folds)}][digit + 1] else 0.2 end), n)
                as expected,
            chi as strength
        from judged
        where chi_square_tail(chi, 4) * tests <= {LEVEL} and sqrt(chi / n) >= {DIGIT_EFFECT}
    )"""
    return in_files(units, SCHOOL_SUBJECT)


@query("heaped_at_pass_mark", "monitoring_results")
def heaped_at_pass_mark() -> str:
    """More scores at the pass mark and just above it than just below, in a school's subject.

    Method: the counts in one band on each side of the mark, as in the density test of McCrary
    (2008, doi:10.1016/j.jeconom.2007.05.005) and for exams Dee, Dobbie, Jacob & Rockoff (2019,
    doi:10.1257/app.20170520), judged as a binomial. The share above that would not surprise is the
    largest of one half, that of the paper's other schools, and what the slope of the school's own
    scores in the next band on each side leads to expect (log-linear, with three standard errors).
    """
    bands = ("below2", "below1", "above1", "above2")
    sums = ", ".join(f"sum({band})::bigint as {band}" for band in bands)
    units = f"""(
        with unit as (
            select {", ".join(SCHOOL_SUBJECT)},
                {sums}
            from {VARIED} group by {", ".join(SCHOOL_SUBJECT)}
        ),
        beside as (
            select *, above1 + below1 as n,
                (sum(above1) over paper - above1 + 1)
                    / (sum(above1 + below1) over paper - above1 - below1 + 2) as others,
                (ln((above2 + 0.5) / (below2 + 0.5)) + {MARK_SLOPE_ERRORS}
                    * sqrt(1 / (above2 + 0.5) + 1 / (below2 + 0.5))) / 3 as slope
            from unit window paper as (partition by wave_id, subject)
        ),
        judged as (
            select *, count(*) over (partition by wave_id) as tests,
                greatest(0.5, others, 1 / (1 + exp(-slope))) as share
            from beside where n >= {MARK_SCORES}
        )
        select {", ".join(SCHOOL_SUBJECT)}, above1 || ' : ' || below1 as found,
            round(n * share)::bigint || ' : ' || (n - round(n * share)::bigint) as expected,
            -ln(binomial_tail(above1, n, share)) as strength
        from judged
        where binomial_tail(above1, n, share) * tests <= {LEVEL}
    )"""
    return in_files(units, SCHOOL_SUBJECT)


def _one_score(keys: tuple[str, ...], among: str) -> str:
    """Units of these keys all of whose students have one score on a paper.

    Method: the share of that score among the others who sat the paper, to the power of the unit's
    students, times the whole scores that the paper allows.
    """
    return f"""(
        with unit as (
            select {", ".join(keys)}, sum(n)::bigint as n, min(lowest) as score,
                count(*) over (partition by wave_id) as tests
            from cell group by {", ".join(keys)}
            having sum(n) >= {ALIKE_STUDENTS}
            qualify min(lowest) = max(highest) and {among}
        ),
        scored as (
            select r.wave_id, r.grade, r.subject, r.score, count(*)::bigint as n
            from monitoring_results as r
            semi join unit as u
                on (r.wave_id, r.grade, r.subject, r.score)
                = (u.wave_id, u.grade, u.subject, u.score)
            group by all
        ),
        sat_paper as (
            select wave_id, grade, subject, sum(n)::bigint as n from cell group by all
        ),
        judged as (
            select u.*, case when p.n - u.n >= {ALIKE_PEERS}
                then (s.n - u.n + 1) / (p.n - u.n + 2) else {ALIKE_SHARE} end as share
            from unit as u
            join scored as s using (wave_id, grade, subject, score)
            join sat_paper as p using (wave_id, grade, subject)
        )
        select {", ".join("j." + k for k in keys)}, j.n::varchar as found,
            -j.n * ln(share) as strength
        from judged as j join paper as p using (wave_id, grade, subject)
        where share ** j.n * (p.full_mark + 1) * tests <= {LEVEL}
    )"""


CONSTANT_SCHOOLS = f"""
    select {", ".join(PAPER_SCHOOL)} from cell group by all
    having min(lowest) = max(highest) and count(distinct class_no) <> 1
"""


@query("one_score_class", "monitoring_results")
def one_score_class() -> str:
    """A class all of whose scores on a paper are the same; the score itself is not told.

    What concerns the whole grade of a school is said of the school alone.
    """
    columns = ", ".join(PAPER_SCHOOL)
    among = f"class_no is not null and ({columns}) not in ({CONSTANT_SCHOOLS})"
    return in_files(_one_score(PAPER_CLASS, among), PAPER_CLASS)


@query("one_score_school", "monitoring_results")
def one_score_school() -> str:
    """A school's grade all of whose scores on a paper are the same, in more classes than one.

    Or without classes, where no class could be asked about.
    """
    columns = ", ".join(PAPER_SCHOOL)
    among = f"({columns}) in ({CONSTANT_SCHOOLS})"
    return in_files(_one_score(PAPER_SCHOOL, among), PAPER_SCHOOL)


RESULTS = (
    candidates_register,
    results_other_school,
    results_other_class,
    two_places,
    pass_rate_jump,
    digit_preference,
    heaped_at_pass_mark,
    one_score_class,
    one_score_school,
)
