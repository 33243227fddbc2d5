"""The building on one page: feeds → landing → standing → warehouse → release, checked, nightly.

Dagster's UI (`make dev`), the nightly schedule and `eqm build` run this one job. What one step
leaves for the next lies on disk, so that each can be looked at, and made anew, by itself.
"""

import contextlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from graphlib import TopologicalSorter
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, build_dbt_asset_specs
from packaging.version import Version

from dashboards.site import Rules, render_analysis, render_site
from pipelines import (
    data_tests,
    forget,
    intake,
    kept,
    ops,
    parts,
    quality,
    release,
    retention,
    spark,
    warehouse,
)  # fmt: skip
from pipelines.feeds import Contract, load_contracts
from pipelines.quality import disclosure
from pipelines.settings import Settings

JOB = "build"
Home = dg.ResourceParam[Settings]
"""The settings of a home that this run alone works on."""
RELIED_ON = (
    "marts.attainment", "marts.pass_rate_trend", "marts.value_added", "marts.value_added_model",
    "marts.growth", "marts.equity", "marts.observation_duty", "marts.inclass_check",
    "marts.training_coverage", "marts.plan_target", "restricted.student_growth",
    "published.attainment", "published.pass_rate_trend", "ops.submission", "ops.problem",
    "ops.owed", "ops.quality_check", "ops.release",
)  # fmt: skip
"""Tables without which no release is made: others rely on them."""
OPS = {
    "submission": "Every submission and where it is in the workflow, as the warehouse shows it.",
    "problem": "What is wrong with each, without words out of its cells.",
    "owed": "Who owes what by when, and what came of it.",
    "made_with": "Software and settings that decide figures.",
    "metric": "What each figure is called and how it is worked out.",
}
"""Tables that the platform writes of itself before dbt runs, and what each tells."""
TESTS = "tests"
"""The check of a table of which dbt's tests are the parts: Dagster takes a while to store each."""
LEAKS_TOLD = 20
"""Numbers that can be worked out, of which so many are named."""
PAST: dg.MaterializeResult = dg.MaterializeResult(
    metadata={"taken in": "nothing: a moment of the past is built"}
)
"""What the landing of a feed says when the setting `as_of` names a moment."""


class Translator(DagsterDbtTranslator):
    """A model's asset has the name of its relation and stands in the group of its layer."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`marts/attainment` for the relation `marts.attainment`."""
        props = dbt_resource_props
        if props["resource_type"] == "source":
            return dg.AssetKey([props["source_name"], props["name"]])
        return dg.AssetKey([props["schema"], props["alias"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder under `models/`; files of the project are `seeds`."""
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        return str(dbt_resource_props["fqn"][1])


class Dbt(DbtCliResource):
    """The dbt that is installed here, as a process of its own.

    Dagster would first run `dbt --version`, which asks the network for a newer release, and then
    load dbt into this process too, only to count rows: 3.5 s of every build.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        return None


def build_definitions(
    settings: Settings,
    console: dg.LoggerDefinition | None = None,
    pages: Callable[[int, int], None] | None = None,
) -> dg.Definitions:
    """Assets, checks, the job and its schedule, over the folders of these settings.

    Args:
        settings: where everything lies.
        console: who tells of progress, in place of Dagster's own log on the terminal.
        pages: is told how many units have their pages, and of how many.
    """
    feeds = list(load_contracts().values())
    manifest = warehouse.manifest(settings)
    described = json.loads(manifest.read_text(encoding="utf-8"))

    @dg.resource(description="The settings, while no other build may work on their home.")
    def held(context: dg.InitResourceContext) -> Iterator[Settings]:
        with release.hold(settings):
            if context.instance:
                _bury_the_dead(context.instance, context.run_id)
            if not settings.as_of:
                intake.require_files(settings)
            forget.finish(settings)
            retention.finish(settings)
            yield settings

    def landing(contract: Contract) -> dg.AssetsDefinition:
        others = [["landing", feed] for feed in contract.depends_on]

        @dg.asset(
            key=["landing", contract.feed],
            deps=[["raw", contract.feed], *others],
            group_name="landing",
            description=f"{contract.title} · rows landed as immutable Parquet, one file each.",
            kinds={"parquet"},
        )
        def landed(home: Home) -> dg.MaterializeResult:
            return _told(intake.ingest_feed(home, contract.feed)) if not home.as_of else PAST

        return landed

    @dg.asset(
        key=["landing", "unplaced"],
        group_name="landing",
        description="Files outside every feed's folder; each goes to quarantine.",
    )
    def unplaced(home: Home) -> dg.MaterializeResult:
        return _told(intake.ingest_strays(home)) if not home.as_of else PAST

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(
                ["standing", c.feed],
                deps=[["landing", c.feed], ["landing", "unplaced"]],
                group_name="standing",
                description=f"{c.title} · the landed rows that stand, newer files before older.",
                kinds={"parquet"},
            )
            for c in feeds
        ],
    )
    def standing(home: Home) -> Iterator[dg.MaterializeResult]:
        view = intake.freeze(home)
        building = release.begin(home, _name(home, view))
        if not building.complete:
            kept.lend(home, building, view)
        for contract in feeds:
            files = list((view.path / contract.feed).rglob("*.parquet"))
            yield dg.MaterializeResult(
                asset_key=["standing", contract.feed],
                metadata={
                    "rows": view.rows[contract.feed],
                    "files": len(files),
                    "bytes": sum(f.stat().st_size for f in files),
                    "release": building.release_id,
                },
            )

    @dg.multi_asset_check(
        specs=[
            dg.AssetCheckSpec(
                "contract",
                asset=["standing", c.feed],
                blocking=True,
                description="The Great Expectations suite derived from the feed's contract.",
            )
            for c in feeds
        ],
    )
    def contracts(home: Home) -> Iterator[dg.AssetCheckResult]:
        view = intake.freeze(home)
        building = _building(home)
        if not building.complete:
            of, last = kept.suites_of(view), kept.made(building).suites
            again = {feed for feed in of if last.get(feed, {}).get("of") == of[feed]}
            asked = [c.feed for c in feeds if c.feed not in again]
            results = quality.validate(view.path, asked, home.engine_megabytes)
            found = [asdict(result) for result in results]
            found += [row for feed in again for row in last[feed]["rows"]]
            rows = sorted(found, key=lambda row: list(of).index(row["feed"]))
            building.quality.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        else:
            rows = ops.recorded_suites(building)
        for contract in feeds:
            own = [row for row in rows if row["feed"] == contract.feed]
            broken = [row for row in own if not row["passed"]]
            stops = any(row["rule"] not in quality.TOLD_ONLY for row in broken)
            yield dg.AssetCheckResult(
                check_name="contract",
                asset_key=["standing", contract.feed],
                passed=not broken,
                severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
                description="; ".join(
                    f"{row['rule']} on {row['column']}: {row['failed_rows']} of {row['rows']} rows "
                    f"({row['detail']})"
                    for row in broken
                ),
                metadata={"rules": len(own), "broken": dg.MetadataValue.json(broken)},
            )

    @dg.multi_asset(
        name="ops__submission",
        specs=[
            dg.AssetSpec(
                ["ops", table],
                deps=[["standing", c.feed] for c in feeds],
                group_name="ops",
                description=said,
            )
            for table, said in OPS.items()
        ],
    )
    def submission(home: Home) -> Iterator[dg.MaterializeResult]:
        building = _building(home)
        if building.complete:
            # What was asked since, of other files, is asked no more.
            ops.ask(home, building)
            for table in OPS:
                yield dg.MaterializeResult(
                    asset_key=["ops", table], metadata={"reused": building.release_id}
                )
            return
        view = intake.freeze(home)
        findings = quality.plausible(
            view.path,
            pass_share=home.pass_share,
            start_month=home.school_year_start_month,
            stages=home.stages,
            pointed=ops.pointed(home),
            megabytes=home.engine_megabytes,
        )
        suites = json.loads(building.quality.read_text(encoding="utf-8"))
        results = [quality.CheckResult(**row) for row in suites]
        quality.write_data_docs(results, findings, building.data_docs)
        queries, notes = ops.between(view, findings)
        ops.ask(home, building, queries)
        submissions, problems, owed = ops.submissions_and_problems(home, queries, notes)
        told = {
            "submission": submissions,
            "problem": problems,
            "owed": owed,
            "made_with": ops.made_with(home),
            "metric": ops.metrics(),
        }
        for table in OPS:
            rows = warehouse.write_ops(building.work, table, told[table])
            yield dg.MaterializeResult(asset_key=["ops", table], metadata={"rows": rows})

    @dg.multi_asset(
        name="dbt",
        specs=build_dbt_asset_specs(manifest=described, dagster_dbt_translator=Translator()),
        check_specs=[
            dg.AssetCheckSpec(
                TESTS,
                asset=table.split("."),
                description="What dbt tests of the table: its key, its values, its sums.",
            )
            for table in sorted(set(data_tests.tables(described).values()))
        ],
    )
    def models(dbt: Dbt, home: Home) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        building = _building(home)
        nodes = described["nodes"]
        if building.complete:
            yield from checked(ops.recorded_tests(building))
            yield from _told_of(models, {})
            return
        view = intake.freeze(home)
        made = spark.make(home, view.path, building.spark) if home.target == "spark" else {}
        last = kept.made(building)
        now = kept.state(home, manifest, view, building)
        same = {name for name in nodes if last.nodes.get(name) == now.nodes[name]}
        replaced = kept.concerned(manifest, last, now, building.work)
        tests = {name: row for name, row in last.tests.items() if name in same}
        stale = [name for name in nodes if name not in same]
        error, built = None, {}
        if any(nodes[name]["resource_type"] != "test" for name in stale):
            build = ["build", "--exclude-resource-types", "test", "unit_test"]
            build += ["--vars", warehouse.variables(home)]
            if same:
                held = [nodes[n]["name"] for n in same if nodes[n]["resource_type"] != "test"]
                build += ["--exclude", " ".join(held)]
            standing = kept.show_standing(home, view)
            warehouse.forget_results(building.dbt)
            with (
                _environment(
                    warehouse.environment(home, standing, building.work)
                    | {warehouse.READ: str(warehouse.read_project(home)), **warehouse.QUIET}
                    | {parts.CONCERNED: parts.told(replaced, building.work)}
                    | {disclosure.SERVED: str(_warehouse_before(home) or "")}
                    | spark.environment(made)
                ),
                open(os.devnull, "w") as nothing,  # noqa: PTH123
                contextlib.redirect_stdout(nothing),
            ):
                done = dbt.cli(build, raise_on_error=False, target_path=building.dbt).wait()
            error = done.get_error()
            built = warehouse.seconds(building.dbt)
        # Of a build that fails, too: what is wrong in a table is why one that reads it fails.
        there = same | set(built)
        # Where dbt has failed, a database that can't be read is no news.
        no_news = (duckdb.Error, warehouse.WarehouseError) if error else ()
        with contextlib.suppress(*no_news):
            tests |= data_tests.ask(home, described, stale, there, building.work)
        yield from checked(tests.values(), building.work)
        if error:
            raise error
        if any(row.get("query") for row in tests.values()):
            raise warehouse.WarehouseError("a table is not as its tests ask")
        kept.note(home, building, now, tests)
        took = {warehouse.table_of(nodes[name]): own for name, own in built.items()}
        yield from _told_of(models, took, warehouse.row_counts(building.work))

    @dg.asset(
        key=["release", "warehouse"],
        deps=list(models.keys),
        group_name="release",
        description="warehouse.duckdb: marts, published, ops; pseudonymous students in restricted.",
        kinds={"duckdb"},
    )
    def sealed(home: Home) -> dg.MaterializeResult:
        building = _building(home)
        if not building.complete:
            view = intake.freeze(home)
            checks = ops.checks(building)
            warehouse.write_ops(building.work, "quality_check", checks)
            warehouse.write_ops(building.work, "release", [ops.release_row(home, building, view)])
            warehouse.seal(building.work, building.warehouse)
            standing = kept.show_standing(home, view)
            warehouse.write_docs(home, standing, building.work, building.dbt, building.docs)
            kept.keep(home, building, view)
        rows = warehouse.row_counts(building.warehouse)
        return dg.MaterializeResult(
            metadata={
                "rows": sum(rows.values()),
                "tables": dg.MetadataValue.json(rows),
                "bytes": building.warehouse.stat().st_size,
                "release": building.release_id,
            }
        )

    @dg.asset_check(
        asset=["release", "warehouse"],
        name="disclosure",
        blocking=True,
        description="No withheld number of students can be worked out from what is published.",
    )
    def audited(home: Home) -> dg.AssetCheckResult:
        building = _building(home)
        if building.complete:
            # Nothing is released unless it passed.
            return dg.AssetCheckResult(passed=True, metadata={"reused": True})
        before = _warehouse_before(home)
        with (
            duckdb.connect(str(building.warehouse), read_only=True) as con,
            duckdb.connect(str(before), read_only=True)
            if before
            else contextlib.nullcontext() as served,
        ):
            try:
                found = disclosure.audit(
                    con, disclosure.load_rules(), served, passed=_by_this_code(home)
                )
            except disclosure.Contradiction as error:
                return dg.AssetCheckResult(
                    passed=False, description=f"published numbers do not add up: {error}"
                )
        return dg.AssetCheckResult(
            passed=not found.leaks,
            description="\n".join(map(str, found.leaks[:LEAKS_TOLD])),
            metadata={
                "cells": found.cells, "withheld": found.withheld, "leaks": len(found.leaks),
                "told before": "\n".join(map(str, found.told_before[:LEAKS_TOLD])),
            },
        )  # fmt: skip

    @dg.asset(
        key=["release", "site"],
        deps=[["release", "warehouse"]],
        group_name="release",
        description="The pages, in Chinese and English, and their downloads.",
        kinds={"html"},
    )
    def site(home: Home) -> dg.MaterializeResult:
        building = _building(home)
        if building.complete:
            return dg.MaterializeResult(metadata={"reused": building.release_id})
        for folder in (building.site, building.downloads):
            shutil.rmtree(folder, ignore_errors=True)
        report = render_site(
            building.warehouse,
            building.site,
            building.downloads,
            release_id=building.release_id,
            unit_name_zh=home.unit_name_zh,
            unit_name_en=home.unit_name_en,
            unit_code=home.unit_code,
            code=release.code_digest(),
            earlier=_served(home),
            workers=min(4, os.cpu_count() or 1),
            tell=pages,
        )
        return dg.MaterializeResult(
            metadata={
                "files": report.files,
                "bytes": report.bytes,
                "reused": report.reused,
                "pass rate": dg.MetadataValue.json(ops.headline(building)),
            }
        )

    @dg.asset(
        key=["release", "analysis"],
        deps=[["release", "warehouse"], ["release", "site"]],
        group_name="release",
        description="Figures and technical notes on value added, for analysts; served to nobody.",
        kinds={"html"},
    )
    def analysis(home: Home) -> dg.MaterializeResult:
        building = _building(home)
        if building.complete:
            return dg.MaterializeResult(metadata={"reused": building.release_id})
        shutil.rmtree(building.analysis, ignore_errors=True)
        before = _served(home)
        report = render_analysis(
            building.warehouse,
            building.analysis,
            building.site,
            rules=Rules.of(home.figures()),
            release_id=building.release_id,
            unit_name_zh=home.unit_name_zh,
            unit_name_en=home.unit_name_en,
            code=release.code_digest(),
            earlier=before / building.analysis.name if before else None,
        )
        return dg.MaterializeResult(
            metadata={"files": report.files, "bytes": report.bytes, "reused": report.reused}
        )

    @dg.asset(
        key=["release", "current"],
        deps=[["release", "warehouse"], ["release", "site"], ["release", "analysis"]],
        group_name="release",
        description="The release that is served: verified, then made visible by one switch.",
    )
    def current(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
        building = _building(home)
        view = intake.freeze(home)
        record: dict[str, Any] = {}
        if not building.complete:
            links = release.verify(building, RELIED_ON)
            record = ops.release_record(home, building, view, ops.stages(context), links)
        release.publish(home, building, record, serve=not home.as_of)
        if not home.as_of:
            ops.record_published(home)
            intake.sweep(home, {view.path.name})
        return dg.MaterializeResult(
            metadata={"release": building.release_id, "reused": building.complete}
        )

    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all() - dg.AssetSelection.groups("raw"),
        executor_def=dg.in_process_executor,
        description="From the files handed in to the release that is served.",
    )
    return dg.Definitions(
        assets=[
            *(_raw(contract) for contract in load_contracts().values()),
            *(landing(contract) for contract in feeds),
            unplaced,
            standing,
            submission,
            models,
            sealed,
            site,
            analysis,
            current,
        ],
        asset_checks=[contracts, audited],
        jobs=[job],
        schedules=[
            dg.ScheduleDefinition(
                name="nightly",
                job=job,
                cron_schedule=settings.nightly_cron,
                execution_timezone=settings.time_zone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Every night, when the schools have handed in.",
            )
        ],
        loggers={"console": console} if console else None,
        resources={
            "home": held,
            "dbt": Dbt(
                project_dir=str(warehouse.DBT_PROJECT),
                profiles_dir=str(warehouse.DBT_PROJECT),
                dbt_executable=warehouse.READY_DBT[0],
                global_config_flags=list(warehouse.READY_DBT[1:]),
            ),
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's own tools load: the definitions over the settings of the environment."""
    return build_definitions(Settings.load())


def _raw(contract: Contract) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["raw", contract.feed],
        group_name="raw",
        description=f"{contract.title} · {contract.description}",
    )


def _told(report: intake.FeedReport) -> dg.MaterializeResult:
    """An asset's metadata out of what the ingest of a feed reports."""
    lines = [p.text("zh") + "  \n" + p.text("en") for p in report.problems[:50]]
    return dg.MaterializeResult(
        metadata={
            "rows": report.rows,
            "rows new": report.rows_landed,
            "bytes": report.bytes,
            "files": report.files,
            "new": report.new,
            "reused": report.reused,
            "returned": report.returned,
            "withdrawn": report.withdrawn,
            "seconds": report.seconds,
            "problems": len(report.problems),
            "first problems": dg.MetadataValue.md("\n\n".join(lines)),
        }
    )


def checked(
    rows: Iterable[Mapping[str, Any]], database: Path | None = None
) -> Iterator[dg.AssetCheckResult]:
    """Of each table one check, of its rows of `ops.quality_check` that come from dbt.

    What stops the build is told with the query that shows the rows, in this database.
    """
    of_table: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        of_table[row["on_table"]].append(row)
    for table, own in sorted(of_table.items()):
        broken = [row for row in own if not row["passed"]]
        yield dg.AssetCheckResult(
            asset_key=table.split("."),
            check_name=TESTS,
            passed=not broken,
            severity=dg.AssetCheckSeverity.ERROR
            if any(row.get("query") for row in broken)
            else dg.AssetCheckSeverity.WARN,
            description="\n".join(
                f"{row['rule']}: {row['failed_rows']} rows ({row['detail']})"
                + (f"; to see them in {database}: {row['query']}" if row.get("query") else "")
                for row in broken
            ),
            metadata={"tests": len(own), "broken": len(broken)},
        )


def _told_of(
    models: dg.AssetsDefinition, built: Mapping[str, float], rows: Mapping[str, int] | None = None
) -> Iterator[dg.MaterializeResult]:
    """Each table, after what it reads: seconds if it was `built`, else that it was used again."""
    for key in TopologicalSorter(models.asset_deps).static_order():
        if key in models.keys:
            table = ".".join(key.path)
            told: dict[str, Any] = {"seconds": built[table]} if table in built else {"reused": True}
            if rows and table in rows:
                told["dagster/row_count"] = rows[table]
            yield dg.MaterializeResult(asset_key=key, metadata=told)


def _bury_the_dead(instance: dg.DagsterInstance, alive: str | None) -> None:
    """Mark runs as failed that a killed process left running: the home is held, so none runs."""
    begun = dg.RunsFilter(job_name=JOB, statuses=[dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(filters=begun):
        if run.run_id != alive:
            instance.report_run_failed(run, "the process of this run ended before the run did")


def _name(settings: Settings, view: intake.Standing) -> str:
    """The release's name: what stands, what was refused (pages count it), settings, code.

    What was explained and signed off is told in `ops`, so it counts too; and so does the moment of
    the past that the release is of, since such a release is not that of today, even if equal.
    """
    moment = settings.as_of_utc
    ledger = intake.Ledger(settings)
    refused = sorted(
        [s["feed"], s["school_year"], s["submission_id"]]
        for s in ledger.submissions(state="returned", as_of=moment, full=False)
    )
    said = sorted(
        {(e["state"], e["source_file"], e["file_sha256"], json.dumps(e["detail"]))
         for e in ledger.events(["explained", "district_approved"], as_of=moment)}
    )  # fmt: skip
    named = [view.digest, refused, *([said] if said else []), *([moment] if moment else [])]
    inputs = sha256(json.dumps(named, default=str).encode()).hexdigest()
    return release.release_id(inputs, settings.figures())


def _building(settings: Settings) -> release.Building:
    return release.open_building(settings, _name(settings, intake.freeze(settings)))


def _served(settings: Settings) -> Path | None:
    """The folder of the release that is served meanwhile; none before the first."""
    name = release.current(settings)
    return settings.releases / name if name else None


def _warehouse_before(settings: Settings) -> Path | None:
    """The warehouse of the release before: the newest that anybody may have kept."""
    name = release.newest_told(settings)
    return settings.releases / name / "warehouse.duckdb" if name else None


def _by_this_code(settings: Settings) -> bool:
    """Whether that release was made, and looked at, by the code of now."""
    name = release.newest_told(settings)
    if name is None:
        return False
    return bool(release.show(settings, name)["code"]["digest"] == release.code_digest())


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process environment with these values, for the process of dbt."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
