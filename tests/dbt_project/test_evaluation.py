"""Value added, growth and equity of the warehouse against the same from the feeds, done plainly."""

from collections.abc import Callable
from typing import get_args

import duckdb
import numpy as np
import pandas as pd
import pytest

from pipelines.evaluation.growth import growth_percentiles
from pipelines.settings import Covariate
from tests.conftest import Once
from tests.oracle import evaluation as oracle

from .conftest import City, run_dbt

SELECT = "+path:models/marts/evaluation +student_growth +published_value_added"
YEARS = ["2022-2023", "2023-2024", "2024-2025", "2025-2026"]
SUBJECTS = ["chinese", "english", "mathematics"]
STUDENTS, SCHOOLS = 640, 14
KEY = ["wave_id", "grade", "subject"]


def made_feeds() -> dict[str, pd.DataFrame]:
    """A cohort from grade 6 to 9 in 14 schools of 3 districts; some absent, some moved, some new.

    A district's own wave lies between: it has prior scores, and is nobody's.
    """
    random = np.random.default_rng(20260601)
    school = pd.DataFrame({"school_code": [f"3137{i:06d}" for i in range(SCHOOLS)]})
    school["district_code"] = [f"37040{2 + i % 3}" for i in range(SCHOOLS)]
    school["locale"] = ["urban", "town", "rural"] * 4 + ["rural", "urban"]
    school["ownership"] = ["public"] * 10 + ["private"] * 4
    school["community_code"] = [None] * 2 + [f"C{i % 3}" for i in range(SCHOOLS - 2)]
    feeds: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("schools", "students", "monitoring_results", "monitoring_waves")
    }
    at = random.integers(0, SCHOOLS, STUDENTS)
    ability = random.normal(0, 1, STUDENTS)
    girl, poor = random.random(STUDENTS) < 0.5, random.random(STUDENTS) < 0.3
    effects = random.normal(0, 0.4, SCHOOLS)
    keys = np.array([f"s{i:05d}" for i in range(STUDENTS)])
    for i, year in enumerate(YEARS):
        at = np.where(random.random(STUDENTS) < 0.03, random.integers(0, SCHOOLS, STUDENTS), at)
        grade = 6 + i
        feeds["schools"].append(
            school.assign(
                school_year=year, school_name="校", stage="nine_year", town="镇",
                opened_on=None, closed_on=None,
            )
        )  # fmt: skip
        feeds["students"].append(
            pd.DataFrame(
                {
                    "student_key": keys, "school_code": school["school_code"].to_numpy()[at],
                    "school_year": year, "grade": grade, "class_no": "1",
                    "gender": np.where(girl, "female", "male"), "boarding": False,
                    "left_behind": False, "migrant": False, "subsidised": poor,
                    "rural_household": None,
                }
            )
        )  # fmt: skip
        waves = [(f"W{i}", "city", "annual_monitoring", f"{int(year[:4]) + 1}-06-10", SUBJECTS)]
        if i == 2:
            waves.append(
                ("D", "district", "unified_exam", f"{int(year[:4])}-11-20", ["mathematics"])
            )
        for wave, level, kind, held_on, subjects in waves:
            there = np.ones(STUDENTS, dtype=bool)
            if level == "district":
                there = school["district_code"].to_numpy()[at] == "370402"
            for subject in subjects:
                feeds["monitoring_waves"].append(
                    pd.DataFrame(
                        {
                            "wave_id": [wave], "wave_name": wave, "level": level,
                            "wave_kind": kind, "school_year": year, "held_on": held_on,
                            "grade": grade, "subject": subject, "full_mark": 100.0,
                            "district_code": "370402" if level == "district" else None,
                        }
                    )
                )  # fmt: skip
                score = 62 + 12 * ability + 8 * effects[at] * i + random.normal(0, 8, STUDENTS)
                score = np.clip(np.round(score - 3 * poor + 2 * girl), 0, 100)
                status = np.where(random.random(STUDENTS) < 0.04, "absent", "present")
                feeds["monitoring_results"].append(
                    pd.DataFrame(
                        {
                            "wave_id": wave, "student_key": keys,
                            "school_code": school["school_code"].to_numpy()[at], "grade": grade,
                            "class_no": "1", "subject": subject, "status": status,
                            "score": np.where(status == "present", score, np.nan),
                            "school_year": year,
                        }
                    )[there]
                )  # fmt: skip
    # In one paper nobody was there for the other subjects.
    whole = {name: pd.concat(frames, ignore_index=True) for name, frames in feeds.items()}
    results = whole["monitoring_results"]
    lost = (results["wave_id"] == "W1") & (results["subject"] != "mathematics")
    lost &= results["student_key"] < "s00200"
    whole["monitoring_results"] = results[~lost].reset_index(drop=True)
    return whole


@pytest.fixture(scope="module")
def made(once: Once) -> City:
    """The warehouse of these feeds."""
    feeds = made_feeds()
    home = once(
        "evaluated",
        lambda home: (home / "words.txt").write_text(
            run_dbt(home, feeds, SELECT)[1], encoding="utf-8"
        ),
    )
    return City(feeds, home / "work.duckdb", (home / "words.txt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ask(made: City) -> Callable[[str], pd.DataFrame]:
    """Gives the rows of a query."""

    def asked(query: str) -> pd.DataFrame:
        with duckdb.connect(str(made.warehouse), read_only=True) as con:
            return con.sql(query).df()

    return asked


@pytest.fixture(scope="module")
def matched(made: City) -> pd.DataFrame:
    """Results with a score, and what their students scored before."""
    return oracle.prior_scores(oracle.scored(made.feeds))


Ask = Callable[[str], pd.DataFrame]


def test_prior_scores_agree(ask: Ask, matched: pd.DataFrame) -> None:
    found = ask(
        "select papers.wave_id, papers.grade, papers.subject, priors.* from"
        " intermediate.int_prior_scores as priors join intermediate.int_papers as papers"
        " using (paper_no)"
    )
    found = found.rename(columns={"prior_z": "prior"})
    both = found.merge(matched, on=[*KEY, "student_key"], suffixes=("", "_plain"))
    assert len(both) == len(found) == len(matched)
    for name in ("z", "prior", "others", "no_others"):
        np.testing.assert_allclose(both[name], both[f"{name}_plain"], atol=4e-6)
    assert both.loc[both["no_others"] == 1, "others"].eq(0).all()
    assert set(both.loc[both["wave_id"] == "D", "prior_wave_id"].dropna()) == {"W0"}
    assert "D" not in set(both["prior_wave_id"])


@pytest.mark.parametrize("wave", ["W1", "W2", "W3"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_value_added_agrees_with_the_dense_matrix(
    ask: Ask, matched: pd.DataFrame, wave: str, subject: str
) -> None:
    own = matched[(matched["wave_id"] == wave) & (matched["subject"] == subject)]
    plain = oracle.value_added(own)
    paper = f"wave_id = '{wave}' and subject = '{subject}'"
    record = ask(f"select * from marts.value_added_model where levels = 2 and {paper}").iloc[0]
    assert (record["state"], record["n"]) == ("estimated", own["prior"].notna().sum())
    assert record["match_rate"] == pytest.approx(own["prior"].notna().mean())
    # The columns are cut to 18 binary digits: figures agree to that.
    np.testing.assert_allclose(record["coefficients"], plain.coefficients, atol=2e-5)
    assert record["variance_school"] == pytest.approx(plain.variance_school, abs=2e-5)
    assert record["variance_student"] == pytest.approx(plain.variance_student, abs=2e-5)
    units = ask(f"select * from marts.value_added where level = 'school' and {paper}")
    units = units.set_index("unit_code")
    told = units[units["n"] >= 10]
    assert set(plain.effect.index) == set(units.index[units["n"] > 0])
    np.testing.assert_allclose(told["effect"], plain.effect[told.index], atol=2e-5)
    np.testing.assert_allclose(told["se"], plain.se[told.index], atol=2e-5)
    assert units.loc[units["n"] < 10, "effect"].isna().all()
    simple = oracle.progress(own)
    np.testing.assert_allclose(told["simple_effect"], simple["mean"][told.index], atol=1e-4)
    np.testing.assert_allclose(told["simple_se"], simple["se"][told.index], atol=1e-4)
    above = told["effect"] - oracle.Z * told["se"] > 0
    assert above.eq(told["band"] == "above").all()


@pytest.mark.parametrize("wave", ["W1", "W3"])
def test_the_curve_is_what_the_model_expects_of_its_students(
    ask: Ask, matched: pd.DataFrame, wave: str
) -> None:
    paper = f"wave_id = '{wave}' and subject = 'mathematics'"
    own = matched[(matched["wave_id"] == wave) & (matched["subject"] == "mathematics")]
    own = own.dropna(subset=["prior"]).assign(constant=1.0, squared=lambda f: f["prior"] ** 2)
    record = ask(f"select * from marts.value_added_model where levels = 2 and {paper}").iloc[0]
    columns = {"prior_z": "prior", "prior_squared": "squared"}
    terms = own[[columns.get(term, term) for term in record["terms"]]]
    own = own.assign(fitted=terms.to_numpy() @ np.array(record["coefficients"]))
    curve = ask(f"select * from marts.value_added_curve where {paper} order by band")
    # Bands follow one another in the order of prior scores.
    own = own.sort_values("prior", kind="stable")
    ends = curve["n"].cumsum()
    assert ends.iloc[-1] == len(own) and len(curve) > 10
    for row, end in zip(curve.itertuples(), ends, strict=True):
        band = own.iloc[end - row.n : end]
        assert row.mean_prior == pytest.approx(band["prior"].mean(), abs=2e-5)
        assert row.mean_z == pytest.approx(band["z"].mean(), abs=2e-5)
        assert row.fitted_mean == pytest.approx(band["fitted"].mean(), abs=5e-5)


def test_published_value_added_withholds_and_rounds(ask: Ask) -> None:
    both = ask(
        "select p.*, m.n as exact_n, m.effect as exact, m.se from published.value_added as p"
        " join marts.value_added as m using (wave_id, grade, subject, level, unit_code)"
    )
    assert len(both) == len(ask("select 1 from marts.value_added"))
    hidden = both["mark"].eq("c")
    assert hidden[both["exact_n"].between(1, 9)].all()
    figures = ["n", "effect", "ci_low", "ci_high", "reliability", "band", "match_rate"]
    assert both.loc[hidden | (both["exact_n"] < 10), figures].isna().all(axis=None)
    assert both.loc[both["exact_n"] == 0, "mark"].eq("z").all()
    told = both.dropna(subset=["effect"])
    few, of_few = told["mark"].eq("u"), told["exact_n"] < 30
    assert few.any() and of_few.any()
    # Where the number is not told the mark goes by what of it is known, which may be less.
    assert (few == of_few)[told["n"].notna()].all() and few[of_few].all()
    assert (told["effect"] - told["exact"]).abs().max() <= 0.005 + 1e-9
    assert told["ci_low"].isna().equals(told["se"] == 0)


def test_a_wave_without_priors_says_so(ask: Ask) -> None:
    first = ask("select distinct state, reason, match_rate from marts.value_added_model"
                " where wave_id = 'W0'")  # fmt: skip
    assert first.to_dict("records") == [
        {"state": "not_estimated", "reason": "no_priors", "match_rate": 0.0}
    ]
    units = ask("select distinct state, band, effect from marts.value_added where wave_id = 'W0'")
    assert len(units) == 1 and units["effect"].isna().all() and units["band"].isna().all()


def test_the_record_says_what_was_fitted_on_which_earlier_waves(ask: Ask) -> None:
    records = ask("select * from marts.value_added_variant_model")
    students = ask(
        "select papers.wave_id, papers.subject, priors.prior_wave_id as before"
        " from intermediate.int_prior_scores as priors"
        " join intermediate.int_papers as papers using (paper_no) where priors.prior_z is not null"
    )
    for row in records.itertuples():
        random = " + district + school + student" if row.levels == 3 else " + school + student"
        fixed = row.formula.removesuffix(random).removeprefix("z = b0 + ").split(" + ")
        assert fixed == [f"b{i} {term}" for i, term in enumerate(row.terms) if i]
        own = students[(students["wave_id"] == row.wave_id) & (students["subject"] == row.subject)]
        told = dict(zip(row.prior_waves, row.prior_students, strict=True))
        assert told == own["before"].value_counts().to_dict()
        assert list(told.values()) == sorted(told.values(), reverse=True)
    three = records[(records["levels"] == 3) & (records["state"] == "estimated")]
    assert len(three) and three["lr_p_district"].between(0, 1).all()
    assert records.loc[records["levels"] == 2, "lr_p_district"].isna().all()


def test_districts_come_from_the_three_level_model(ask: Ask) -> None:
    records = ask("select * from marts.value_added_model where wave_id = 'W3'")
    assert sorted(records["levels"]) == [2, 2, 2, 3, 3, 3]
    units = ask("select * from marts.value_added where wave_id = 'W3' and level = 'district'")
    assert set(units["unit_code"]) == {"370402", "370403", "370404"}
    assert units["effect"].abs().max() < 1
    variants = ask("select distinct model from marts.value_added_variant")
    assert set(variants["model"]) == {"standard", "intake", "contextual"}


def test_standing_is_that_of_students_left_out_one_by_one(ask: Ask, matched: pd.DataFrame) -> None:
    own = matched[(matched["wave_id"] == "W3") & (matched["subject"] == "mathematics")]
    plain = oracle.value_added(own)
    assert plain.variance_school > 0
    left = oracle.residuals(own, plain)
    found = ask(
        "select * from marts.value_added_standing where wave_id = 'W3' and subject = 'mathematics'"
    ).set_index("school_code")
    far = 0.5 * np.sqrt(plain.variance_student)
    told = found[found["state"] == "estimated"]
    assert len(told) > 8 and (told["ranked"] == len(told)).all()
    for code, row in told.iterrows():
        residual = left.loc[left["school_code"] == code, "residual"].to_numpy()
        assert row["raw_residual"] == pytest.approx(residual.mean(), abs=5e-5)
        without = [oracle.shrunk(np.delete(residual, i), plain) for i in range(len(residual))]
        assert row["one_less_low"] == pytest.approx(min(without), abs=5e-5)
        assert row["one_less_high"] == pytest.approx(max(without), abs=5e-5)
        absent = (own["school_code"] == code).sum() - len(residual)
        assert row["missing"] == absent
        for end, name in ((-far, "missing_low"), (far, "missing_high")):
            filled = np.append(residual, np.full(absent, end))
            assert row[name] == pytest.approx(oracle.shrunk(filled, plain), abs=5e-5)
    variants = ask(
        "select unit_code, min(effect) as low, max(effect) as high from marts.value_added_variant"
        " where wave_id = 'W3' and subject = 'mathematics' and level = 'school' group by unit_code"
    ).set_index("unit_code")
    np.testing.assert_array_equal(told["model_low"], variants["low"][told.index])
    np.testing.assert_array_equal(told["model_high"], variants["high"][told.index])
    # Ranks and probabilities from draws of the same posterior, another way.
    random = np.random.default_rng(7)
    se = plain.se[told.index].to_numpy()
    drawn = plain.effect[told.index].to_numpy() + se * random.normal(size=(20000, len(told)))
    ranks = 1 + (drawn[:, None, :] > drawn[:, :, None]).sum(axis=2)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0)
    assert (np.abs(told["rank_low"] - low) <= 1).all()
    assert (np.abs(told["rank_high"] - high) <= 1).all()
    np.testing.assert_allclose(told["above_probability"], (drawn > 0.1).mean(axis=0), atol=0.02)
    whole = told[["above_probability", "as_expected_probability", "below_probability"]].sum(axis=1)
    np.testing.assert_allclose(whole, 1)


def test_fairness_is_the_correlation_with_whom_schools_teach(
    ask: Ask, made: City, matched: pd.DataFrame
) -> None:
    found = ask("select * from marts.value_added_fairness where model = 'standard'")
    effects = ask("select * from marts.value_added where level = 'school' and effect is not null")
    roll = made.feeds["students"].set_index(["student_key", "school_year"])["subsidised"]
    rows = matched.join(roll.astype(float), on=["student_key", "school_year"])
    for (wave, subject), own in effects.groupby(["wave_id", "subject"]):
        here = rows[(rows["wave_id"] == wave) & (rows["subject"] == subject)]
        means = here.groupby("school_code")[["prior", "subsidised"]].mean()
        figures = found[(found["wave_id"] == wave) & (found["subject"] == subject)]
        figures = figures.set_index("characteristic")
        effect = own.set_index("unit_code")["effect"]
        if len(effect) < 5 or effect.std() < 1e-9:
            assert figures["correlation"].isna().all() and figures["reason"].notna().all()
            continue
        for name, column in (("intake", "prior"), ("subsidised_share", "subsidised")):
            r = np.corrcoef(effect, means.loc[effect.index, column])[0, 1]
            row = figures.loc[name]
            assert row["n"] == len(effect)
            assert row["correlation"] == pytest.approx(r, abs=1e-4)
            reach = oracle.Z / np.sqrt(len(effect) - 3)
            assert row["ci_high"] == pytest.approx(np.tanh(np.arctanh(r) + reach), abs=1e-4)
    adjusted = ask(
        "select max(abs(correlation)) as most from marts.value_added_fairness"
        " where model = 'intake' and characteristic = 'intake' and wave_id <> 'D'"
    )
    assert adjusted["most"].iloc[0] < 0.1


def test_years_without_another_and_papers_without_items_say_so(ask: Ask) -> None:
    """The cohort sits each grade once: an average over years is that year's effect."""
    both = ask(
        "select years.*, one.effect as own, one.ci_low as own_low from"
        " marts.value_added_multi_year as years join marts.value_added as one"
        " using (school_year, grade, subject, level, unit_code)"
        " where one.wave_id in ('W1', 'W2', 'W3') and years.state = 'estimated'"
    )
    assert len(both) > 50 and (both["n"] == 1).all()
    np.testing.assert_allclose(both["effect"], both["own"])
    np.testing.assert_allclose(both["ci_low"], both["own_low"])
    errors = ask("select * from marts.value_added_error where wave_id = 'W3'")
    assert set(errors["reason"]) == {"no_item_results"}
    assert errors["alpha"].isna().all() and errors["variance_school"].notna().all()


def test_growth_is_that_of_the_cohorts_histories(
    ask: Ask, made: City, matched: pd.DataFrame
) -> None:
    histories = oracle.histories(matched, made.feeds["monitoring_waves"], 2)
    found = ask("select * from restricted.student_growth")
    expected = []
    for key, own in histories.items():
        scores = own.reindex(columns=["score", "score_1", "score_2"]).to_numpy(dtype=float)
        plain = growth_percentiles(scores[:, 0], scores[:, 1:], 500)
        percentile = pd.DataFrame(
            {"percentile": plain.percentile, "priors": plain.order}, own.index
        )
        known = percentile.dropna().reset_index()
        expected.append(known.assign(**dict(zip(KEY, key, strict=True))))
    whole = pd.concat(expected)
    both = found.merge(whole, on=[*KEY, "student_key"], suffixes=("", "_plain"))
    assert len(both) == len(found) == len(whole) > 2900
    assert both["growth_percentile"].eq(both["percentile"]).all()
    assert both["priors"].eq(both["priors_plain"]).all()
    assert set(both["priors"]) == {1, 2}
    units = ask("select * from marts.growth where level = 'city' and wave_id = 'W2'")
    by_hand = found[found["wave_id"] == "W2"].groupby("subject")["growth_percentile"]
    units = units.set_index("subject").sort_index()
    np.testing.assert_allclose(units["median_growth_percentile"], by_hand.median())
    np.testing.assert_allclose(units["mean_growth_percentile"], by_hand.mean())
    assert set(ask("select reason from marts.growth_model where wave_id = 'D'")["reason"]) == {
        "too_few_students"
    }


def test_equity_agrees_with_sums_over_pairs(ask: Ask, made: City, matched: pd.DataFrame) -> None:
    found = ask("select * from marts.equity")
    register = made.feeds["schools"].drop_duplicates("school_code").set_index("school_code")
    roll = made.feeds["students"].set_index(["student_key", "school_year"])
    rows = matched.join(register[["district_code", "locale", "ownership"]], on="school_code")
    rows = rows.join(roll[["gender", "subsidised"]], on=["student_key", "school_year"])
    rows["passed"] = rows["score"] >= 60
    rows["subsidised"] = np.where(rows["subsidised"].astype(bool), "yes", "no")
    pairs = {
        "locale_rural": ("locale", "rural", "urban"), "gender": ("gender", "female", "male"),
        "ownership": ("ownership", "private", "public"), "subsidised": ("subsidised", "yes", "no"),
    }  # fmt: skip
    for (wave, subject), own in rows[rows["wave_id"] != "D"].groupby(["wave_id", "subject"]):
        here = found[(found["wave_id"] == wave) & (found["subject"] == subject)]
        city = here[here["level"] == "city"].set_index(["dimension", "measure"])["value"]
        schools = own.groupby("school_code").agg(n=("z", "size"), x=("score", "mean"))
        districts = register["district_code"][schools.index].to_numpy()
        plain = oracle.inequality(
            schools["n"].to_numpy(float), schools["x"].to_numpy() / 100, districts
        )
        for name, value in plain.items():
            assert city["school", name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        for dimension, (kind, a, b) in pairs.items():
            plain = oracle.gaps(own[own[kind] == a], own[own[kind] == b])
            for name, value in plain.items():
                assert city[dimension, name] == pytest.approx(value, rel=1e-9), (dimension, name)
        others = here[(here["level"] == "district") & (here["dimension"] == "district")]
        assert set(others["unit_code"]) == set(own["district_code"])
        for code, gaps in others.groupby("unit_code"):
            plain = oracle.gaps(
                own[own["district_code"] == code], own[own["district_code"] != code]
            )
            values = gaps.set_index("measure")["value"]
            assert {*values.index} == {*plain}
            for name, value in plain.items():
                assert values[name] == pytest.approx(value, rel=1e-9), (code, name)
        empty = oracle.random_intercept(
            np.ones((len(own), 1)), own["z"].to_numpy(), own["school_code"].to_numpy()
        )
        share = empty.variance_school / (empty.variance_school + empty.variance_student)
        assert city["school", "between_share"] == pytest.approx(share, abs=1e-6)
        own = own.assign(poor=(own["subsidised"] == "yes").astype(float))
        x, y = (own[c] - own.groupby("school_code")[c].transform("mean") for c in ("poor", "z"))
        assert city["subsidised", "gradient_within"] == pytest.approx((x * y).sum() / (x * x).sum())
    assert not (found["wave_id"] == "D").any()
    told = found[found["state"] == "estimated"]
    assert (told["ci_low"] <= told["value"]).all() and (told["value"] <= told["ci_high"]).all()


def test_communities_tell_lead_from_rural(ask: Ask, made: City, matched: pd.DataFrame) -> None:
    found = ask("select * from marts.community_gap where measure = 'gap' and stage = 'junior'")
    register = made.feeds["schools"].drop_duplicates("school_code").set_index("school_code")
    rows = matched[matched["wave_id"] == "W3"].join(
        register[["community_code", "locale"]], on="school_code"
    )
    means = rows.groupby(["subject", "community_code", "locale"])["z"].mean().unstack()
    for (subject, community), row in means.dropna(subset=["urban", "rural"]).iterrows():
        own = found[
            (found["subject"] == subject)
            & (found["community_code"] == community)
            & (found["school_year"] == "2025-2026")
        ]
        assert own["value"].iloc[0] == pytest.approx(row["urban"] - row["rural"])


def test_a_model_may_take_in_what_the_scores_carry(ask: Ask) -> None:
    """The setting's words and the columns of the model are one list."""
    columns = set(ask("select * from intermediate.int_prior_scores limit 0").columns)
    own = {*get_args(Covariate)} - {"school_prior"}
    assert columns - own == {
        "paper_no", "student_key", "school_code", "z", "prior_wave_id", "prior_paper_no", "prior_z",
        "prior_squared", "others", "no_others", "points",
    }  # fmt: skip
    assert own <= columns


def test_empty_feeds_give_empty_tables(nothing: City) -> None:
    with duckdb.connect(str(nothing.warehouse), read_only=True) as con:
        tables = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
        full = {name for (name,) in tables if con.sql(f"from marts.{name} limit 1").fetchall()}
    assert len(tables) > 50
    # Those that tell of the city, its plan, and the platform's own tables, and of no record.
    own = {"unit", "dim_subject", "dim_target", "submission_duty", "submission_problem"}
    assert full == own
