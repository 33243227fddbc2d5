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
    register = feeds["schools"][["school_code", "school_year", "district_code", "locale"]]
    rows = rows.merge(register, how="left", on=["school_code", "school_year"])
    roll = feeds["students"][["student_key", "school_year", "gender"]]
    rows = rows.merge(roll, how="left", on=["student_key", "school_year"])
    rows["locale"] = rows["locale"].fillna("unknown")
    rows["gender"] = rows["gender"].fillna("unknown")
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
        skipped = {"district": {"city"}, "school": {"city", "district"}}.get(organiser, set())
        for level in ("city", "district", "school", "class"):
            for kind in ("all", "locale", "gender"):
                if level in skipped:
                    continue
                for (unit, value), cell in whole.groupby([level, kind]):
                    got = cell["score"].dropna()
                    due = len(cell) - (cell["status"] == "exempt").sum()
                    n = len(got)
                    line = [*paper, level, unit, kind, value, len(cell), n]
                    line.append(n / due if due else np.nan)
                    if not n:
                        out.append([*line, *[np.nan] * 9])
                        continue
                    mark = cell.loc[got.index]
                    rate = (got >= mark["pass_mark"]).mean()
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
                            ((got - mean) / deviation).mean() if deviation else np.nan,
                        ]
                    )
    names = "school_year wave_id grade subject level unit_code group_kind group_value candidates n"
    names += " participation_rate mean_score score_ratio pass_rate pass_low pass_high good_rate"
    return pd.DataFrame(out, columns=[*names.split(), "excellent_rate", "low_rate", "mean_z"])


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
    rows["passed"] = (rows["score"] >= rows["pass_mark"]).astype(int)
    rows["stage"] = rows["grade"].map(STAGES)
    both = pd.concat([rows, rows.assign(stage="all")])
    both = pd.concat([both, both.assign(subject="all")])
    out = []
    for level in ("city", "district", "school"):
        for key, cells in both.groupby([level, "stage", "subject"]):
            found = {}
            for year, cell in cells.groupby("school_year"):
                rate = cell["passed"].mean()
                limits = wilson(rate, effective_n(cell))
                found[str(year)] = (rate, limits, len(cell), cell["student_key"].nunique())
            for year, (rate, limits, n, students) in found.items():
                line = {"level": level, "unit_code": key[0], "stage": key[1], "subject": key[2]}
                line |= {"school_year": year, "n": n, "students": students, "pass_rate": rate}
                line |= {"pass_low": limits[0], "pass_high": limits[1]}
                earlier = max((y for y in found if y < year), default=None)
                line["previous_year"] = earlier
                if earlier:
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
