"""The same figures from the feeds in plain pandas and NumPy, formula by formula.

Written from the methods, not from the models: students are looped over as students, variances
are taken from deviations, intervals from the roots of the score equation.
"""

import numpy as np
import pandas as pd

Z = 1.959963984540054
DEFAULTS = {"pass_mark": 0.60, "good_mark": 0.75, "excellent_mark": 0.85, "low_mark": 0.40}
CELL = ["school_year", "wave_id", "grade", "subject"]
CELL += ["level", "unit_code", "group_kind", "group_value"]
UNIT_YEAR = ["level", "unit_code", "stage", "subject", "school_year"]
PASS_ALL = ["wave_id", "grade", "level", "unit_code", "group_kind", "group_value"]
MARKERS = ["boarding", "left_behind", "migrant", "subsidised", "rural_household"]
KINDS = ["all", "locale", "ownership", "gender", *MARKERS]
OF_CLASS = {"all", "locale", "gender"}
LEVELS = ("city", "district", "school", "class")
SKIPPED = {"district": {"city"}, "school": {"city", "district"}}
"""Levels above the organiser of a wave."""
STAGES = {
    **dict.fromkeys(range(1, 7), "primary"),
    **dict.fromkeys(range(7, 10), "junior"),
    **dict.fromkeys(range(10, 13), "senior"),
}


def wilson(rate: float, n: float) -> tuple[float, float]:
    """The two rates at which the score test of `rate` on n just rejects."""
    roots = np.roots([1 + Z * Z / n, -(2 * rate + Z * Z / n), rate * rate])
    low, high = sorted(float(x) for x in np.real(roots))
    return low, high


def newcombe(
    rate: float, limits: tuple[float, float], other: float, others: tuple[float, float]
) -> tuple[float, float, float]:
    """Difference of two rates with its hybrid score interval."""
    change = rate - other
    below = np.hypot(rate - limits[0], others[1] - other)
    above = np.hypot(limits[1] - rate, other - others[0])
    return change, change - below, change + above


def joined(feeds: dict[str, pd.DataFrame], city: str) -> pd.DataFrame:
    """Results of students who have not left, with paper, school and gender of the year."""
    waves = feeds["monitoring_waves"].copy()
    for mark, share in DEFAULTS.items():
        given = pd.to_numeric(waves[mark]) if mark in waves else np.nan
        waves[mark] = pd.Series(given, index=waves.index).fillna(waves["full_mark"] * share)
    waves = waves[[*DEFAULTS, "wave_id", "grade", "subject", "school_year", "level"]].assign(
        wave_kind=waves["wave_kind"], full_mark=waves["full_mark"].astype(float)
    )
    rows = feeds["monitoring_results"].drop(columns="school_year")
    rows = rows[rows["status"] != "transferred"]
    rows = rows.merge(
        waves.rename(columns={"level": "wave_level"}), on=["wave_id", "grade", "subject"]
    )
    register = ["school_code", "school_year", "district_code", "locale", "ownership"]
    register = feeds["schools"].reindex(columns=register)
    rows = rows.merge(register, how="left", on=["school_code", "school_year"])
    roll = feeds["students"].reindex(columns=["student_key", "school_year", "gender", *MARKERS])
    rows = rows.merge(roll, how="left", on=["student_key", "school_year"])
    for kind in ("locale", "ownership", "gender"):
        rows[kind] = rows[kind].fillna("unknown")
    for marker in MARKERS:
        rows[marker] = [{True: "yes", False: "no"}.get(x, "unknown") for x in rows[marker]]
    rows["all"] = "all"
    rows["city"] = city
    label = rows["school_code"] + "-" + rows["grade"].astype(str) + "-"
    rows["class"] = (label + rows["class_no"]).where(rows["class_no"].notna())
    rows["score"] = pd.to_numeric(rows["score"]).where(rows["status"] == "present")
    return rows.rename(columns={"district_code": "district", "school_code": "school"})


def attainment(rows: pd.DataFrame) -> pd.DataFrame:
    """Every figure of attainment, cell by cell."""
    out = []
    for paper, whole in rows.groupby(["school_year", "wave_id", "grade", "subject"]):
        organiser = whole["wave_level"].iloc[0]
        scores = whole["score"].dropna()
        mean, deviation = scores.mean(), scores.std(ddof=0)
        skipped = SKIPPED.get(organiser, set())
        for level in LEVELS:
            for kind in KINDS:
                if level in skipped or (level == "class" and kind not in OF_CLASS):
                    continue
                for (unit, value), cell in whole.groupby([level, kind]):
                    got = cell["score"].dropna()
                    exempt = (cell["status"] == "exempt").sum()
                    due = len(cell) - exempt
                    n = len(got)
                    line = [*paper, level, unit, kind, value, len(cell), n, exempt]
                    line.append(n / due if due else np.nan)
                    if not n:
                        out.append([*line, *[np.nan] * 11])
                        continue
                    mark = cell.loc[got.index]
                    rate = (got >= mark["pass_mark"]).mean()
                    mean_z = ((got - mean) / deviation).mean() if deviation else np.nan
                    out.append(
                        [
                            *line,
                            got.mean(),
                            (got / mark["full_mark"]).mean(),
                            rate,
                            *wilson(rate, n),
                            (got >= mark["good_mark"]).mean(),
                            (got >= mark["excellent_mark"]).mean(),
                            (got < mark["low_mark"]).mean(),
                            mean_z,
                            got.std(ddof=0),
                            50 + 10 * mean_z,
                        ]
                    )
    names = "school_year wave_id grade subject level unit_code group_kind group_value candidates n"
    names += (
        " exempt participation_rate mean_score score_ratio pass_rate pass_low pass_high good_rate"
    )
    names += " excellent_rate low_rate mean_z sd_score mean_t"
    return pd.DataFrame(out, columns=names.split())


def effective_n(cell: pd.DataFrame) -> float:
    """Results worth of a rate whose clusters are students."""
    per_student = cell.groupby("student_key")["passed"].agg(["sum", "count"])
    n, rate = len(cell), cell["passed"].mean()
    if rate in (0, 1):
        return len(per_student)
    deviations = per_student["sum"] - rate * per_student["count"]
    variance = (deviations**2).sum() / n**2
    return min(n, rate * (1 - rate) / variance) if variance > 1e-15 else n


def trend(
    rows: pd.DataFrame, baseline_year: str = "2023-2024", rise: float = 10.0, years: int = 3
) -> pd.DataFrame:
    """The pass rate of each unit by stage, subject and year, with its comparisons."""
    rows = rows[(rows["wave_kind"] == "annual_monitoring") & (rows["wave_level"] == "city")]
    rows = rows[rows["score"].notna()].copy()
    scores = rows.groupby(["wave_id", "grade", "subject"])["score"]
    spread = scores.transform("std", ddof=0)
    rows["z"] = (rows["score"] - scores.transform("mean")) / spread.where(spread > 0)
    rows["paper"] = rows["subject"] + rows["grade"].astype(str)
    rows["passed"] = (rows["score"] >= rows["pass_mark"]).astype(int)
    rows["stage"] = rows["grade"].map(STAGES)
    both = pd.concat([rows, rows.assign(stage="all")])
    both = pd.concat([both, both.assign(subject="all")])
    out = []
    for level in ("city", "district", "school"):
        for key, cells in both.groupby([level, "stage", "subject"]):
            found = {}
            z = cells.groupby("school_year")["z"].mean()
            papers = cells.groupby("school_year")["paper"].agg(set)
            for year, cell in cells.groupby("school_year"):
                rate = cell["passed"].mean()
                limits = wilson(rate, effective_n(cell))
                found[str(year)] = (rate, limits, len(cell), cell["student_key"].nunique())
            for year, (rate, limits, n, students) in found.items():
                line = {"level": level, "unit_code": key[0], "stage": key[1], "subject": key[2]}
                line |= {"school_year": year, "n": n, "students": students, "pass_rate": rate}
                line |= {"pass_low": limits[0], "pass_high": limits[1]}
                line |= {"mean_z": z[year], "papers": len(papers[year])}
                earlier = max((y for y in found if y < year), default=None)
                line["previous_year"] = earlier
                line["caution"] = "not_equated" if earlier else None
                if earlier:
                    line["year_change_z"] = z[year] - z[earlier]
                    change = newcombe(rate, limits, *found[earlier][:2])
                    names = ("year_change_points", "year_change_low", "year_change_high")
                    line |= {k: 100 * v for k, v in zip(names, change, strict=True)}
                if baseline_year not in found:
                    out.append(line | {"comparability": "no_baseline"})
                    continue
                base = found[baseline_year]
                line["baseline_rate"] = base[0]
                line["comparability"] = (
                    "baseline_year" if year == baseline_year
                    else "before_baseline" if year < baseline_year
                    else "compared"
                )  # fmt: skip
                pace = rise * min(1, (int(year[:4]) - int(baseline_year[:4])) / years)
                if year >= baseline_year:
                    line["pace_rate"] = base[0] + pace / 100
                if year > baseline_year:
                    line["change_z"] = z[year] - z[baseline_year]
                    same = papers[year] == papers[baseline_year]
                    line["caution"] = "not_equated" if same else "other_papers"
                    points, low, high = (100 * x for x in newcombe(rate, limits, *base[:2]))
                    line |= {"change_points": points, "change_low": low, "change_high": high}
                    line["change_percent"] = points / base[0] if base[0] else np.nan
                    line["status"] = (
                        "reached" if low >= rise
                        else "on_pace" if low >= pace
                        else "behind" if high < pace
                        else "not_distinguishable"
                    )  # fmt: skip
                out.append(line)
    return pd.DataFrame(out)


def pass_all(rows: pd.DataFrame, waves: pd.DataFrame) -> pd.DataFrame:
    """Students who passed everything, of those who sat everything, group by group."""
    assessed = {
        (str(wave), int(grade)): set(papers["subject"])
        for (wave, grade), papers in waves.groupby(["wave_id", "grade"])
    }
    out = []
    sat = rows[rows["score"].notna()]
    for (wave, grade), whole in sat.groupby(["wave_id", "grade"]):
        skipped = SKIPPED.get(whole["wave_level"].iloc[0], set())
        for level in LEVELS:
            for kind in KINDS:
                if level in skipped or (level == "class" and kind not in OF_CLASS):
                    continue
                for (unit, value), cell in whole.groupby([level, kind]):
                    n = passed = 0
                    for _, own in cell.groupby("student_key"):
                        if set(own["subject"]) == assessed[wave, grade]:
                            n += 1
                            passed += (own["score"] >= own["pass_mark"]).all()
                    if n:
                        line = [wave, grade, level, unit, kind, value, n, passed, passed / n]
                        out.append([*line, *wilson(passed / n, n)])
    return pd.DataFrame(out, columns=[*PASS_ALL, "n", "passed_all", "rate", "low", "high"])


def distribution(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bands of five points of the score ratio; quantiles."""
    bands, quantiles = [], []
    for paper, whole in rows[rows["score"].notna()].groupby(["wave_id", "grade", "subject"]):
        for level in LEVELS[:3]:
            if level in SKIPPED.get(whole["wave_level"].iloc[0], set()):
                continue
            for unit, cell in whole.groupby(level):
                percent = (100 * cell["score"] / cell["full_mark"]).round(9)
                places = np.minimum(percent // 5, 19)
                for place, n in places.value_counts().sort_index().items():
                    key = [*paper, level, unit, place * 0.05, place * 0.05 + 0.05, n]
                    bands.append([*key, n / len(cell), (places <= place).mean()])
                points = np.quantile(cell["score"], [0.1, 0.25, 0.5, 0.75, 0.9])
                quantiles.append([*paper, level, unit, len(cell), *points])
    key = ["wave_id", "grade", "subject", "level", "unit_code"]
    figures = ["band_from", "band_to", "n", "share", "cumulative_share"]
    return (
        pd.DataFrame(bands, columns=[*key, *figures]),
        pd.DataFrame(quantiles, columns=[*key, "n", "p10", "p25", "p50", "p75", "p90"]),
    )


def fact_score(feeds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Each result with its place among all who sat the paper, and the school of the day."""
    waves = feeds["monitoring_waves"]
    rows = feeds["monitoring_results"].drop(columns="school_year")
    given = pd.to_numeric(waves["pass_mark"]) if "pass_mark" in waves else np.nan
    marks = pd.Series(given, index=waves.index).fillna(waves["full_mark"] * DEFAULTS["pass_mark"])
    papers = waves.assign(mark=marks, held_on=pd.to_datetime(waves["held_on"]))
    paper = ["wave_id", "grade", "subject"]
    rows = rows.merge(papers[[*paper, "mark", "school_year", "held_on"]], on=paper)
    rows["score"] = pd.to_numeric(rows["score"]).where(rows["status"] == "present")
    scores = rows.groupby(paper)["score"]
    spread = scores.transform("std", ddof=0)
    rows["z"] = (rows["score"] - scores.transform("mean")) / spread.where(spread > 0)
    rows["t_score"] = 50 + 10 * rows["z"]
    rows["percentile"] = 100 * (scores.rank(method="average") - 0.5) / scores.transform("count")
    rows["is_pass"] = (rows["score"] >= rows["mark"]).where(rows["score"].notna())
    roll = {
        (key, year): school
        for key, year, school in feeds["students"][
            ["student_key", "school_year", "school_code"]
        ].itertuples(index=False)
    }
    enrolled = []
    for row in rows.itertuples():
        first = row.held_on.year - (row.held_on.month < 8)
        of_day = roll.get((row.student_key, f"{first}-{first + 1}"))
        enrolled.append(of_day or roll.get((row.student_key, row.school_year)))
    rows["enrolled_school_code"] = enrolled
    label = rows["school_code"] + "-" + rows["grade"].astype(str) + "-"
    rows["class_code"] = (label + rows["class_no"]).where(rows["class_no"].notna())
    return rows.drop(columns=["mark", "held_on", "class_no"])


def reconciliation(feeds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every row handed in and everyone on the roll without one, once a level, with the reason."""
    organisers = {
        (row.wave_id, row.grade, row.subject): row for row in feeds["monitoring_waves"].itertuples()
    }
    district = {
        (row.school_code, row.school_year): row.district_code
        for row in feeds["schools"].itertuples()
    }
    seen: dict[tuple[str, int, str], set[str]] = {paper: set() for paper in organisers}
    out = []
    for row in feeds["monitoring_results"].itertuples():
        paper = (row.wave_id, row.grade, row.subject)
        wave = organisers[paper]
        seen[paper].add(row.student_key)
        unscored = row.status == "present" and pd.isna(row.score)
        for level in LEVELS:
            if row.status == "transferred":
                reason = "transferred"
            elif level in SKIPPED.get(wave.level, set()):
                reason = "above_organiser"
            elif level == "district" and (row.school_code, wave.school_year) not in district:
                reason = "no_district"
            elif level == "class" and pd.isna(row.class_no):
                reason = "no_class"
            else:
                reason = "no_score" if unscored else row.status
            out.append((wave.school_year, *paper, level, reason))
    for paper, wave in organisers.items():
        roll = feeds["students"]
        roll = roll[(roll["school_year"] == wave.school_year) & (roll["grade"] == wave.grade)]
        for student in roll.itertuples():
            at = district.get((student.school_code, student.school_year))
            reached = {
                "district": at == wave.district_code,
                "school": student.school_code == getattr(wave, "school_code", None),
            }.get(wave.level, True)
            if reached and student.student_key not in seen[paper]:
                out += [(wave.school_year, *paper, level, "no_result") for level in LEVELS]
    names = ["school_year", "wave_id", "grade", "subject", "level", "reason"]
    counted = pd.DataFrame(out, columns=names).value_counts().rename("students").reset_index()
    left_out = {"transferred", "above_organiser", "no_district", "no_class", "no_result"}
    return counted.assign(is_counted=~counted["reason"].isin(left_out))
