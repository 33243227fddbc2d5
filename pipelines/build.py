"""Runs Dagster's job in this process: what `eqm build` does, and what the night does."""

import contextlib
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipelines import intake, release
from pipelines.intake import Problem
from pipelines.settings import Settings
from pipelines.warehouse import WarehouseError
from pipelines.wording import bilingual

if TYPE_CHECKING:
    import dagster as dg

DAGSTER_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"
MACHINE_WORDS = (
    "No space left", "disk is full", "disk I/O error", "Disk quota", "File too large",
    "Permission denied", "Read-only file system", "readonly database",
)  # fmt: skip
"""What the system, DuckDB and SQLite say when the machine is to blame."""
FULL_BYTES = 50e6
"""Less free room than this is the cause of whatever could not be written."""
DBT_WORDS = "Errors parsed from dbt logs:"
SHOWN_CHARACTERS = 2000

CLASS_NAME = re.compile(r"^([A-Za-z_]+\.)*[A-Za-z]+(Error|Exception): ")
"""What Python puts before an error's text."""
FRAME = re.compile(
    r"(at )?\S+\((\w+\.(java|scala|kt):\d+|Native Method|Unknown Source|<unknown>:\d+)\)"
)
"""A line of Java's stack traces: of why Spark failed they would hide what stands below them."""
SHOWN_CHECKS = 20

Say = Callable[[str], None]
"""Takes one line on what is going on."""
Tell = Callable[[int, int], None]
"""Is told how many units have their pages, and of how many."""


@dataclass(frozen=True)
class BuildReport:
    """How a build ended."""

    released: bool
    """Whether the release of these inputs is there, and served unless it is of the past."""
    release_id: str | None
    """That release; else the one that is served still; none if there never was one."""
    reused: bool = False
    """Whether that release had been made before from the same inputs, settings and code."""
    key_made: bool = False
    """Whether the pseudonym key was made in this build, so that it must be backed up."""
    key_changed: str = ""
    """What is to be said where rows of another pseudonym key stood before this build."""
    returned: int = 0
    """Files refused, in quarantine."""
    problems: list[Problem] = field(default_factory=list)
    failure: str = ""
    """Why nothing was released; empty where something was."""
    environment: bool = False
    """Whether the machine is the cause (disk, rights), not the data."""
    as_of: str = ""
    """The moment of the past that was built; then `current` stays, and the release is this one."""
    warehouse: str = ""
    """Path of the release's warehouse; empty where there is none."""

    @property
    def exit_code(self) -> int:
        """0 done, 1 the data has errors or a check failed, 3 the environment."""
        if self.released:
            # What was refused in the past has had its answer then.
            return 1 if self.returned and not self.as_of else 0
        return 3 if self.environment else 1

    def as_dict(self) -> dict[str, Any]:
        """Everything, problems with both sentences."""
        return {
            **asdict(self),
            "problems": [p.as_dict() for p in self.problems],
            "exit_code": self.exit_code,
        }


def dagster_home(settings: Settings) -> str:
    """Dagster's folder, with its telemetry switched off; made if missing."""
    settings.dagster.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = settings.dagster / "dagster.yaml"
    if not config.exists():
        aside = config.with_suffix(".new")
        aside.write_text(DAGSTER_YAML)
        aside.replace(config)
    return str(settings.dagster)


def build(settings: Settings, say: Say, pages: Tell | None = None) -> BuildReport:
    """Files → release. The earlier release stays served unless this one is whole and verified.

    With the setting `as_of` nothing is taken in, the warehouse is that of a moment of the past, and
    `current` stays where it is.

    Raises:
        NothingHandedIn: the raw folder is empty, or nothing stood at that moment.
        IntakeError: that moment has not come, or rows of then are gone.
        NoKey: no pseudonym key in production, or none of those who are forgotten.
        Busy: another build works on the same home.
        OSError: the home can't be made.
    """
    key_missing, former = False, ""
    if settings.as_of_utc is None:
        intake.require_files(settings)
        key_missing = not settings.pseudonym_key_file.exists()
        intake.load_key(settings)
        former = intake.former_key(settings)
    elif settings.as_of_utc > datetime.now(UTC).replace(tzinfo=None):
        raise intake.IntakeError(bilingual("{moment} has not come yet.", moment=settings.as_of))
    if settings.landing.is_dir():
        # Without their key those who are forgotten would come back: said before anything is done.
        intake.the_forgotten(settings, intake.Ledger(settings))
    with release.hold(settings):
        if settings.as_of:
            intake.freeze(settings)
        try:
            report = _run(settings, say, pages)
        except (OSError, sa.exc.SQLAlchemyError, WarehouseError) as error:
            failure, environment = _plain(settings, str(error))
            report = BuildReport(
                False,
                release.current(settings),
                failure=failure,
                environment=environment or isinstance(error, WarehouseError),
            )
        told = intake.key_changed(settings, former) if former else ""
        return replace(report, key_made=key_missing, key_changed=told)


def _run(settings: Settings, say: Say, pages: Tell | None) -> BuildReport:
    say("reading the definitions")
    from pipelines import events
    from pipelines.definitions import JOB, build_definitions

    definitions = build_definitions(settings, _console(say), pages)
    with events.instance(dagster_home(settings)) as instance:
        result = definitions.resolve_job_def(JOB).execute_in_process(
            instance=instance, raise_on_error=False, run_config={"loggers": {"console": {}}}
        )
    returned = intake.Ledger(settings).submissions(
        state="returned", as_of=settings.as_of_utc, full=False
    )
    report = BuildReport(
        released=result.success,
        release_id=release.current(settings),
        returned=len(returned),
        problems=intake.problems(settings),
        as_of=settings.as_of,
    )
    if not result.success:
        failure, environment = _cause(settings, result)
        return replace(report, failure=failure, environment=environment)
    metadata = result.asset_materializations_for_node("release__current")[0].metadata
    made = str(metadata["release"].value)
    return replace(
        report,
        release_id=made,
        warehouse=str(settings.releases / made / "warehouse.duckdb"),
        reused=bool(metadata["reused"].value),
        problems=[*report.problems, *intake.freeze(settings).problems],
    )


def _console(say: Say) -> "dg.LoggerDefinition":
    """A Dagster logger that says when a stage starts and ends, and nothing else."""
    import dagster as dg

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            event = meta.get("dagster_event")
            if event is None:
                return
            if event.event_type == dg.DagsterEventType.STEP_START:
                say(event.step_key.replace("__", "/"))
            elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
                seconds = event.step_success_data.duration_ms / 1000
                say(f"{event.step_key.replace('__', '/')} done in {seconds:.1f} s")

    @dg.logger
    def console(_: dg.InitLoggerContext) -> logging.Logger:
        made = logging.Logger("eqm")
        made.addHandler(Handler())
        return made

    return console


def _cause(settings: Settings, result: "dg.ExecuteInProcessResult") -> tuple[str, bool]:
    """The innermost reason of the first failure, and whether the machine is to blame."""
    import dagster as dg

    broken = [
        f"{'/'.join(check.asset_key.path)}: {check.check_name}: {check.description or ''}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    if broken:
        return "\n".join(["a check failed", *broken[:SHOWN_CHECKS]]), False
    for event in result.all_events:
        if not (event.is_step_failure or event.is_failure):
            continue
        error = getattr(event.event_specific_data, "error", None)
        while error is not None and error.cause is not None:
            error = error.cause
        text = error.message if error is not None else event.message or ""
        stage = (event.step_key or "build").replace("__", "/")
        failure, environment = _plain(settings, text)
        return f"{stage}: {failure}", environment
    return "the run ended without saying why", False


def _plain(settings: Settings, text: str) -> tuple[str, bool]:
    """An error's text without what only a programmer reads, and whether the machine is to blame."""
    said = (line.strip() for line in text.splitlines())
    lines = [CLASS_NAME.sub("", line) for line in said if line and not FRAME.fullmatch(line)]
    machine = next((n for n in lines if any(word in n for word in MACHINE_WORDS)), None)
    if machine is not None:
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(settings.home).free
            if free < FULL_BYTES:
                told = machine[:SHOWN_CHARACTERS]
                return bilingual(
                    "Disk full: {home} ({words})", home=settings.home, words=told
                ), True
        return machine[:SHOWN_CHARACTERS], True
    _, _, words = text.partition(DBT_WORDS)
    return (words or "\n".join(lines)).strip()[:SHOWN_CHARACTERS], False
