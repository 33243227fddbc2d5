"""Items, papers and competencies: against pandas, published figures, and what must always hold."""

from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import agree, diagnosis

from .conftest import CITY, City, Row, made_city, run_dbt

SELECT = "+path:models/marts/diagnosis +path:models/restricted/fact_item.sql"
MARTS = ("item_quality", "paper_quality", "competency", "item_coverage")


def made_items() -> dict[str, pd.DataFrame]:
    """The made city with items of a dozen papers, each with something odd."""
    random = np.random.default_rng(9)
    feeds = made_city()
    results = feeds["monitoring_results"].reset_index(drop=True)
    maps: list[Row] = []
    points: list[Row] = []

    def tell(wave: str, grade: int, subject: str, fulls: dict[str, float], **skip: object) -> None:
        """Map and points of a paper: items harder from first to last, students of one ability."""
        paper = {"wave_id": wave, "grade": grade, "subject": subject}
        mapped = skip.get("mapped", list(fulls))
        assert isinstance(mapped, list)
        for i, item in enumerate(mapped):
            maps.append(
                {**paper, "item_no": item, "full_mark": fulls.get(item, 5)}
                | {"competency": ["运算能力", "推理意识"][i % 2], "content_domain": f"域{i % 3}"}
                | {"cognitive_level": None if i % 4 == 3 else ["理解", "运用"][i // 2 % 2]}
                | {"school_year": "2024-2025"}
            )
        whose = results["wave_id"].eq(wave) & results["subject"].eq(subject)
        whose &= results["grade"].eq(grade)
        limit = skip.get("students", 1000)
        assert isinstance(limit, int)
        for at in results.index[whose][:limit]:
            ability = random.normal(0.6, 0.2)
            for i, (item, full) in enumerate(fulls.items()):
                share = np.clip(ability + 0.3 - 0.06 * i + random.normal(0, 0.2), 0, 1)
                points.append(
                    {"wave_id": wave, "subject": subject, "item_no": item, "at": at}
                    | {"student_key": results["student_key"][at], "school_year": "2024-2025"}
                    | {"score": float(skip.get("same") or round(share * full * 2) / 2)}
                )

    tell("A25", 8, "mathematics", {str(i): 12.0 for i in range(1, 10)} | {"10(1)": 5, "10(2)": 7})
    tell("A25", 8, "chinese", {str(i): 20.0 for i in range(1, 8)})
    tell("A25", 5, "chinese", {"1": 30, "2": 40, "9": 5}, mapped=["1", "2", "3"])
    tell("A25", 5, "mathematics", {"1": 50, "7": 10, "8": 10})
    tell("A24", 8, "chinese", {"1": 30, "2": 40, "3": 5}, mapped=[])
    tell("A24", 5, "mathematics", {}, mapped=["1", "2"])
    tell("D25", 8, "mathematics", {"1": 30, "2": 40, "3": 50, "4": 0})
    tell("A23", 5, "mathematics", {"1": 120})
    tell("A23", 5, "chinese", {"1": 60, "2": 60}, students=1)
    tell("A24", 8, "physics", {"1": 40, "2": 40}, same=7.5)
    # Nothing can be had on item 2, which makes a competency of its own.
    tell("A24", 8, "mathematics", {"1": 60, "2": 0, "3": 60})
    # The map of a paper that the list of waves does not have: the standing rows' checks tell it.
    tell("A25", 5, "physics", {}, mapped=["1"])
    items = pd.DataFrame(points)

    def where(wave: str, subject: str, grade: int, *numbers: str) -> pd.Series:
        graded = items["at"].map(results["grade"]).eq(grade)
        mask = items["wave_id"].eq(wave) & items["subject"].eq(subject) & graded
        return mask & items["item_no"].isin(numbers) if numbers else mask

    # Item 3 goes the wrong way, item 1 is given to everybody, points are missing here and there.
    wrong = where("A25", "mathematics", 8, "3")
    items.loc[wrong, "score"] = 12 - items.loc[wrong, "score"]
    items.loc[where("A25", "mathematics", 8, "1"), "score"] = 12
    items.loc[where("A25", "mathematics", 8) & (items.index % 97 == 5), "score"] = None
    items.loc[where("A25", "mathematics", 8, "10(1)") & (items["at"] % 31 == 0), "score"] = 6
    items.loc[where("D25", "mathematics", 8, "2"), "score"] = 0
    # A choice of two: nobody has all items.
    choice = where("A25", "mathematics", 5, "7", "8")
    other = items["at"].mod(2).eq(items["item_no"].eq("7"))
    items = items[~(choice & other)]
    # A school leaves a column out; a student's row is empty; nobody has points on item 7.
    last = where("A25", "chinese", 8, "7")[items.index]
    items.loc[last, "score"] = None
    items = items[~(where("A25", "chinese", 8, "4")[items.index] & (items["at"] % 5 == 0))]
    blank = items["at"].eq(items.loc[where("A25", "chinese", 8)[items.index], "at"].iloc[7])
    items.loc[blank, "score"] = None
    # Most scores are what the items add up to.
    sums = items.groupby("at")["score"].sum()
    told = sums.index[(sums.index % 6 != 0) & results.loc[sums.index, "status"].eq("present")]
    results.loc[told, "score"] = sums[told]
    # A present student without a score; students whom no result places, one without points.
    results.loc[results["wave_id"].eq("A25") & (results.index % 83 == 0), "score"] = None
    lost = {"wave_id": "A25", "subject": "mathematics", "item_no": "1"}
    extra = [{**lost, "student_key": "f" * 64}, {**lost, "student_key": "e" * 64, "score": 3}]
    feeds["monitoring_results"] = results
    feeds["item_map"] = pd.DataFrame(maps)
    feeds["item_results"] = pd.concat(
        [items.drop(columns="at"), pd.DataFrame(extra).assign(school_year="2024-2025")],
        ignore_index=True,
    )
    return feeds


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The made city with items, built once."""
    feeds = made_items()
    warehouse, words = run_dbt(tmp_path_factory.mktemp("items"), feeds, SELECT)
    return City(feeds, warehouse, words)


def test_every_figure_agrees_with_the_second_computation(items: City) -> None:
    rows = diagnosis.placed(items.feeds)
    assert set(rows["counted_as"]) == {
        "counted", "missing", "not_on_map", "out_of_range", "no_result", "not_present"
    }  # fmt: skip
    expected = {"item_coverage": (diagnosis.coverage(rows), diagnosis.COVERAGE)}
    expected["fact_item"] = (diagnosis.facts(items.feeds, rows), diagnosis.FACT)
    figures = diagnosis.item_quality(items.feeds, rows)
    expected["item_quality"] = (figures.drop(columns="alpha"), diagnosis.ITEM)
    papers = diagnosis.paper_quality(items.feeds, rows, figures)
    expected["paper_quality"] = (papers, diagnosis.PAPER)
    cells = diagnosis.competency(items.feeds, rows, figures, CITY)
    expected["competency"] = (cells, diagnosis.CELL)
    for name, (frame, key) in expected.items():
        found = items.table(f"restricted.{name}" if name == "fact_item" else f"marts.{name}")
        if name == "fact_item":
            numbers = found.groupby("sitting_no")[["wave_id", "student_key", "subject"]].nunique()
            assert (numbers == 1).all(axis=None)
            found = found.drop(columns="sitting_no")
        assert set(found.columns) == set(frame.columns), name
        agree(found, frame, key)
    assert set(papers["evidence"]) == {"items_and_map", "items_only", "map_only", "none"}
    said = set(",".join(figures["look_at"].dropna()).split(","))
    assert said == {
        "not_on_map", "no_map", "no_results", "out_of_range", "too_easy", "too_hard", "weak",
        "reversed", "lowers_alpha", "few_students",
    }  # fmt: skip


def test_the_made_papers_have_every_case(items: City) -> None:
    found = items.table("marts.item_quality")
    assert (found["is_on_map"] & found["students"].gt(0) & found["n"].eq(0)).any()
    assert {0.0, 1.0} <= set(found["item_difficulty"])
    assert found["n"].eq(1).any() and (found["n"].gt(0) & found["n_complete"].eq(0)).any()
    assert found["full_mark"].eq(0).any() and found["item_rest_correlation"].lt(0).any()
    papers = items.table("marts.paper_quality")
    assert set(papers["full_marks_agree"].dropna()) == {True, False}
    assert papers["students"].gt(papers["n"]).any()
    assert papers["sum_agrees_share"].between(0.01, 0.99).any()
    cells = items.table("marts.competency")
    assert (cells["students"].gt(0) & cells["n"].eq(0)).any()
    assert (cells["full_marks"].eq(0) & cells["level"].eq("city")).any()
    rows = items.table("restricted.fact_item")
    counted = rows[rows["counted_as"] == "counted"]
    assert counted["district_code"].isna().any() and counted["class_code"].isna().any()


def test_no_figure_is_infinite_or_not_a_number(items: City) -> None:
    with duckdb.connect(str(items.warehouse), read_only=True) as con:
        for mart in MARTS:
            for name, kind, *_ in con.execute(f"describe marts.{mart}").fetchall():
                if kind == "DOUBLE":
                    odd = f"select count(*) from marts.{mart} where not isfinite({name})"
                    assert con.execute(odd).fetchall() == [(0,)], (mart, name)


def test_students_and_rows_are_all_counted_somewhere(items: City) -> None:
    found = items.table("marts.item_coverage").groupby(["wave_id", "subject"])
    fed = items.feeds["item_results"].groupby(["wave_id", "subject"])
    assert found["item_rows"].sum().to_dict() == fed.size().to_dict()
    assert found["students"].sum().to_dict() == fed["student_key"].nunique().to_dict()


def test_the_paper_has_the_moments_that_attainment_has(items: City) -> None:
    with duckdb.connect(str(items.warehouse), read_only=True) as con:
        odd = con.execute(
            "select count(*) from marts.paper_quality as p"
            " join intermediate.int_attainment_cells as c using (wave_id, grade, subject)"
            " where c.level = 'city' and c.group_kind = 'all' and p.evidence like 'items%'"
            " and (p.n <> c.n or p.mean_score is distinct from c.score_sum::double / c.n)"
        )
        assert odd.fetchall() == [(0,)]


def test_empty_feeds_give_empty_typed_tables(nothing: City) -> None:
    for mart in MARTS:
        assert nothing.table(f"marts.{mart}").empty
    assert nothing.table("marts.item_quality")["discrimination"].dtype == np.float64
    assert nothing.table("restricted.fact_item").empty


Diagnose = Callable[[pd.DataFrame, dict[str, float]], tuple[pd.DataFrame, pd.Series]]
CHAIN = [
    "intermediate/int_paper_items", "intermediate/int_wave", "intermediate/int_item_sittings",
    "intermediate/int_item_points", "intermediate/int_item_totals",
    "intermediate/int_item_sums", "intermediate/int_item_figures", "marts/diagnosis/item_quality",
    "marts/diagnosis/paper_quality",
]  # fmt: skip
SCHEMAS = ("staging", "intermediate", "marts")


@pytest.fixture(scope="module")
def diagnose(items: City) -> Diagnose:
    """The models themselves, as dbt compiled them, over any matrix of students by items."""
    compiled = items.warehouse.parent / "target" / "compiled" / "eqm" / "models"
    texts = {path: (compiled / f"{path}.sql").read_text(encoding="utf-8") for path in CHAIN}

    def run(points: pd.DataFrame, marks: dict[str, float]) -> tuple[pd.DataFrame, pd.Series]:
        rows = points.rename_axis("student_key").reset_index().melt(
            "student_key", var_name="item_no", value_name="score"
        )  # fmt: skip
        listed = pd.DataFrame({"item_no": list(marks), "full_mark": list(marks.values())})
        whose = pd.DataFrame({"student_key": points.index})
        with duckdb.connect() as con:
            con.execute("attach ':memory:' as work")
            for schema in SCHEMAS:
                con.execute(f"create schema work.{schema}")
            con.register("rows", rows)
            con.register("listed", listed)
            con.register("whose", whose)
            paper = "'W' as wave_id, 'english' as subject, '2024-2025' as school_year"
            stage, middle = (
                "create table work.staging.",
                "create table work.intermediate.",
            )
            con.execute(
                f"{stage}stg_item_results as select student_key::varchar as student_key, item_no,"
                f" score::decimal(9, 3) as score, {paper} from rows;"
                f"{stage}stg_item_map as select item_no, full_mark, 8 as grade, 'c' as competency,"
                f" 'd' as content_domain, null::varchar as cognitive_level, {paper} from listed;"
                f"{stage}stg_monitoring_results as select student_key::varchar as student_key,"
                f" 'S' as school_code, 8 as grade, '1' as class_no, 'present' as status,"
                f" null::decimal(9, 3) as score, {paper} from whose;"
                f"{stage}stg_schools as select 'S' as school_code, 'D' as district_code,"
                f" '2024-2025' as school_year;"
                f"{middle}int_papers as select 8 as grade, 'city' as wave_level,"
                f" 100::decimal(9, 3) as full_mark, {paper};"
                f"{middle}int_attainment_cells as select 8 as grade, 'city' as level, 'all' as"
                f" group_kind, 0 as n, 0::decimal(19, 3) as score_sum,"
                f" 0::decimal(26, 6) as score_square_sum, {paper};"
            )
            for path, text in texts.items():
                schema = {"marts/diagnosis": "marts"}.get(path.rpartition("/")[0]) or path.split(
                    "/"
                )[0]
                name = path.rpartition("/")[2]
                con.execute(f"create table work.{schema}.{name} as {text}")
            found = con.execute("from work.marts.item_quality order by item_no").df()
            whole = con.execute("from work.marts.paper_quality").df()
        return found.set_index("item_no"), whole.iloc[0]

    return run


ATTITUDE = """
    43 51 30 39 61 92 45  63 64 51 54 63 73 47  71 70 68 69 76 86 48  61 63 45 47 54 84 35
    81 78 56 66 71 83 47  43 55 49 44 54 49 34  58 67 42 56 66 68 35  71 75 50 55 70 66 41
    72 82 72 67 71 83 31  67 61 45 47 62 80 41  64 53 53 58 58 67 34  67 60 47 39 59 74 41
    69 62 57 42 55 63 25  68 83 83 45 59 77 35  77 77 54 72 79 77 46  81 90 50 72 60 54 36
    74 85 64 69 79 79 63  65 60 65 75 55 80 60  65 70 46 57 75 85 46  50 58 68 54 64 78 52
    50 40 33 34 43 64 33  64 61 52 62 66 80 41  53 66 52 50 63 80 37  40 37 42 58 50 57 49
    63 54 42 48 66 75 33  66 77 66 63 88 76 72  78 75 58 74 80 78 49  48 57 44 45 51 83 38
    85 85 71 71 77 74 55  82 82 39 59 64 78 39
"""
"""Data set `attitude` of R (Chatterjee & Price 1977): 30 departments, 7 questions."""


def test_alpha_and_item_rest_are_those_of_psych(diagnose: Diagnose) -> None:
    """What `psych::alpha(attitude)` prints in R: raw_alpha, alpha if dropped, r.drop."""
    names = ["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"]
    data = pd.DataFrame(np.array(ATTITUDE.split(), dtype=float).reshape(30, 7), columns=names)
    found, paper = diagnose(data, dict.fromkeys(names, 100.0))
    assert round(paper["cronbach_alpha"], 2) == 0.84
    dropped = [0.81, 0.80, 0.83, 0.80, 0.80, 0.86, 0.84]
    rest = [0.67, 0.74, 0.56, 0.71, 0.79, 0.27, 0.46]
    assert found.loc[names, "alpha_without"].round(2).tolist() == dropped
    assert found.loc[names, "item_rest_correlation"].round(2).tolist() == rest
    assert (100 * found.loc[names, "item_difficulty"]).round().tolist() == [
        65,
        67,
        53,
        56,
        65,
        75,
        43,
    ]
    assert paper["cronbach_alpha"] == pytest.approx(
        diagnosis.pairwise_alpha(data.to_numpy()), abs=1e-12
    )


def test_discrimination_of_a_hundred_students_counts_27_at_each_end(diagnose: Diagnose) -> None:
    """22 of the first 27 and 11 of the last 27 have the point: 0.8148 - 0.4074."""
    rank = np.arange(100)
    right = np.where(rank < 27, rank < 22, np.where(rank >= 73, rank < 84, rank % 2 == 0))
    # The other item orders the students, with room for the point.
    data = pd.DataFrame({"1": right.astype(float), "2": 400.0 - 4 * rank})
    found, _ = diagnose(data, {"1": 1, "2": 400})
    assert found.loc["1", "discrimination"] == pytest.approx(22 / 27 - 11 / 27, abs=1e-12)


def test_students_of_one_sum_at_the_cut_share_what_is_missing(diagnose: Diagnose) -> None:
    """Ten students, 2.7 at each end: sums 3, 2 x 4, 1 x 4, 0, so one whole and 1.7 of four."""
    first = [1.0, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    data = pd.DataFrame({"1": first, "2": [2.0, 1, 1, 2, 2, 0, 1, 1, 1, 0]})
    assert data.sum(axis=1).tolist() == [3, 2, 2, 2, 2, 1, 1, 1, 1, 0]
    found, _ = diagnose(data, {"1": 1, "2": 2})
    upper, lower = (1 + 1.7 * 2 / 4) / 2.7, (0 + 1.7 * 1 / 4) / 2.7
    assert found.loc["1", "discrimination"] == pytest.approx(upper - lower, abs=1e-12)


matrices = st.integers(1, 5).flatmap(
    lambda k: st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=k, max_size=k),
        min_size=1, max_size=12,
    )
)  # fmt: skip
FIGURES = [
    "mean_score", "item_difficulty", "discrimination", "item_rest_correlation", "alpha_without",
    "full_share", "zero_share", "missing_share",
]  # fmt: skip


@settings(max_examples=8)
@given(cells=matrices, seed=st.integers(0, 2**32 - 1))
def test_figures_do_not_hang_on_order_number_or_unit(
    diagnose: Diagnose, cells: list[list[int | None]], seed: int
) -> None:
    """Twice every student, another order, or half points for points: no figure changes."""
    data = pd.DataFrame(cells, dtype=float)
    data.columns = pd.Index([str(i + 1) for i in range(data.shape[1])])
    marks = dict.fromkeys(data.columns, 3.0)
    found, paper = diagnose(data, marks)
    shuffled = data.sample(frac=1, random_state=seed).reset_index(drop=True)
    doubled = pd.concat([shuffled, data], ignore_index=True)
    halved = {item: full / 2 for item, full in marks.items()}
    for others, whole, unit in (
        (*diagnose(shuffled, marks), 1), (*diagnose(doubled, marks), 1),
        (*diagnose(data / 2, halved), 2),
    ):  # fmt: skip
        same = others[FIGURES].astype(float)
        same["mean_score"] *= unit
        pd.testing.assert_frame_equal(same, found[FIGURES].astype(float), atol=1e-12, rtol=0)
        assert whole["cronbach_alpha"] == pytest.approx(
            paper["cronbach_alpha"], abs=1e-12, nan_ok=True
        )
        error = whole["measurement_error"] * unit
        assert error == pytest.approx(paper["measurement_error"], abs=1e-12, nan_ok=True)
    whole_rows = data.dropna(axis=1, how="all").dropna().to_numpy()
    expected = diagnosis.alpha(whole_rows) if whole_rows.size else np.nan
    assert paper["cronbach_alpha"] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    for column, low in (
        ("discrimination", -1),
        ("item_rest_correlation", -1),
        ("item_difficulty", 0),
    ):
        assert found[column].dropna().between(low, 1).all()
