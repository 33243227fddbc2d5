"""Every setting of the platform: typed, named, documented, from `EQM_*` or `eqm.toml`.

Order of precedence: arguments, environment (`EQM_HOME`), `eqm.toml` in the working folder,
defaults. An unknown name is refused, so a typing error is never a silent default.
"""

import os
import tomllib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,  # pydantic wants these before Python 3.12
)
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError
from typing_extensions import TypedDict

from pipelines import plan

PROJECT = Path(__file__).resolve().parents[1]
"""The checkout: where `dbt_project/` and `data/` stand."""
WORK = "work.duckdb"
"""The database that a build works in. What dbt makes of its project calls tables by this name."""


class SettingsError(ValueError):
    """A setting is unknown or malformed; the text says which and lists the valid names."""


class Duty(TypedDict):
    """What a post owes in a whole school year."""

    lessons: Annotated[int, Field(ge=0)]
    visits: Annotated[int, Field(ge=0)]


class Window(TypedDict):
    """For how many months a training counts; of one mode alone where one is named."""

    months: Annotated[int, Field(ge=1)]
    mode: NotRequired[str]


class Months(TypedDict):
    """How long ago something may lie; what is to be later than it is no month old."""

    least: Annotated[int, Field(ge=1)]
    most: Annotated[int, Field(ge=1)]


Covariate = Literal[
    "boarding", "left_behind", "migrant", "subsidised", "rural_household", "female", "school_prior"
]
"""What a model of value added may take in beside the prior scores."""

ModelName = Annotated[str, Field(pattern=r"^\w[\w -]*$", max_length=40)]
"""It stands in queries and on pages, in any script."""


class Settings(BaseSettings):
    """One value a setting; `Settings.load()` is the way in."""

    model_config = SettingsConfigDict(
        env_prefix="EQM_", toml_file="eqm.toml", extra="forbid", frozen=True, validate_default=True
    )

    raw: Path = Field(PROJECT / "data" / "raw", description="Folder of the files handed in.")
    home: Path = Field(
        PROJECT / "var", description="Folder of all state: landing, releases, ledger."
    )
    env: Literal["development", "production"] = Field(
        "development", description="In production a missing pseudonym key stops intake."
    )
    pseudonym_key_file: Path = Field(
        Path("~/.config/eqm/pseudonym.key"),
        description="Key of the students' pseudonyms, kept outside every data folder.",
    )
    contracts: Path | None = Field(
        None,
        description="Folder of the city's own contracts: added feeds, columns, aliases, codes.",
    )
    ledger_url: str = Field(
        "", description="SQLAlchemy address of the ledger; empty means SQLite in the home."
    )
    unit_code: str = Field("370400", description="Code of the city.")
    unit_name_zh: str = Field("全市", description="Name of the city on Chinese pages.")
    unit_name_en: str = Field("the city", description="Name of the city on English pages.")
    school_year_start_month: int = Field(8, ge=1, le=12, description="Month a school year starts.")
    stages: dict[str, list[int]] = Field(
        {"primary": [1, 2, 3, 4, 5, 6], "junior": [7, 8, 9], "senior": [10, 11, 12]},
        description="Grades of each stage; a 5-4 city moves grade 6 to junior.",
    )
    student_no_pattern: str = Field(
        "[GJL][0-9A-Z]{18}", description="What a usual student number looks like (whole match)."
    )
    plan_baseline_year: str = Field(
        "2023-2024", description="School year from which the plan's rise is measured."
    )
    plan_rise_points: float = Field(
        10.0, gt=0, description="Rise of the pass rate the plan asks for, in percentage points."
    )
    plan_years: int = Field(3, gt=0, description="Years in which the plan asks for that rise.")
    plan_targets: Path | None = Field(
        None, description="The plan's targets, a CSV file of the city's own; none: those built in."
    )
    pass_share: float = Field(0.60, gt=0, lt=1, description="Default pass mark / full mark.")
    good_share: float = Field(0.75, gt=0, lt=1, description="Default good mark / full mark.")
    excellent_share: float = Field(
        0.85, gt=0, lt=1, description="Default excellent mark / full mark."
    )
    low_share: float = Field(0.40, gt=0, lt=1, description="Default low mark / full mark.")
    observation_duties: dict[str, Duty] = Field(
        {
            "principal": {"lessons": 40, "visits": 0},
            "secretary": {"lessons": 40, "visits": 0},
            "school_leader": {"lessons": 80, "visits": 0},
            "education_official": {"lessons": 10, "visits": 3},
        },
        description="Lessons observed and field visits that a post owes in a whole school year.",
    )
    lessons_a_record: int = Field(
        4, ge=1, description="A record of an observation counts at most so many lessons."
    )
    lessons_a_day: int = Field(
        8, ge=1, description="More lessons observed on one day by one person are marked."
    )
    inclass_share: float = Field(
        0.80, gt=0, le=1, description="Share of the in-class check that every school must reach."
    )
    training_windows: dict[str, Window] = Field(
        {"teacher": {"months": 36, "mode": "concentrated"}, "principal": {"months": 24}},
        description="Whose training counts, for how many months, and of which mode alone.",
    )
    association_schools: int = Field(
        30, ge=2, description="A correlation over fewer schools is marked."
    )
    prior_months: Months = Field(
        Months(least=6, most=60),
        description="How many months before a wave its prior scores may lie.",
    )
    value_added_models: dict[ModelName, list[Covariate]] = Field(
        {
            "standard": [],
            "intake": ["school_prior"],
            "contextual": ["school_prior", "subsidised", "migrant", "left_behind", "female"],
        },
        min_length=1,
        description="Models of value added: name, and terms beside prior scores; the first is "
        "published.",
    )
    value_added_students: int = Field(
        10, ge=2, description="A unit with fewer matched students gets no value added."
    )
    value_added_match: float = Field(
        0.70, ge=0, le=1, description="Where fewer have a prior score, value added is marked."
    )
    value_added_margin: float = Field(
        0.10,
        ge=0,
        description="Value added from which a difference matters, in standard deviations of "
        "students.",
    )
    growth_priors: int = Field(
        2, ge=1, le=4, description="Most earlier scores that a growth percentile looks at."
    )
    growth_students: int = Field(
        500, ge=100, description="Growth percentiles are fitted to no fewer students."
    )
    reader_seconds: float = Field(
        300, gt=0, description="So long may reading one file take; then it is refused."
    )
    reader_megabytes: int = Field(
        4096, ge=512, description="So much memory may the reading of one file want."
    )
    engine_megabytes: int = Field(
        2048,
        ge=512,
        description="So much memory may the warehouse's engine take before it writes to disk.",
    )
    nightly_at: str = Field(
        "02:00",
        pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]",
        description="When the nightly build starts.",
    )
    time_zone: str = Field("Asia/Shanghai", description="Time zone of the nightly build.")
    port: int = Field(8400, ge=1, le=65535, description="Port of `eqm serve` on 127.0.0.1.")
    accounts_url: str = Field(
        "",
        description="SQLAlchemy address of accounts, sessions and audit log; empty means SQLite in "
        "the home.",
    )
    public_url: str = Field(
        "",
        pattern=r"(https?://[^/?#\s]+)?",
        description="Address under which viewers reach the gate, such as https://jc.example.cn; "
        "empty means 127.0.0.1 alone.",
    )
    trusted_proxies: int = Field(
        0, ge=0, le=4, description="Proxies before the gate whose word on addresses it takes."
    )
    sent_by: Literal["gate", "nginx"] = Field(
        "gate", description="Who sends files: the gate, or nginx by X-Accel-Redirect."
    )
    session_minutes: int = Field(
        30, ge=5, le=720, description="A session ends after so many minutes without a request."
    )
    session_hours: int = Field(
        12, ge=1, le=72, description="A session ends after so many hours in any case."
    )
    audit_days: int = Field(
        200, ge=184, description="So long are lines of the audit log kept; six months at least."
    )
    retention_years: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {
            "students": 6,
            "monitoring_results": 6,
            "item_results": 6,
            "monitoring_waves": 6,
            "item_map": 6,
            "staff": 6,
            "lesson_observations": 6,
            "official_visits": 6,
            "training_logs": 6,
        },
        description="So many school years, the present one among them, are a feed's files kept; "
        "those of feeds not named here for good.",
    )
    retention_raw: bool = Field(
        False, description="Whether `eqm retention apply` removes the files handed in, too."
    )
    oidc_issuer: str = Field(
        "", description="Address of the city's own OpenID Connect provider; empty means none."
    )
    oidc_client_id: str = Field("", description="Name of this platform at that provider.")
    oidc_client_secret_file: Path | None = Field(
        None, description="File of the secret shared with that provider, of mode 0600."
    )
    oidc_claim: str = Field(
        "preferred_username", description="Claim of that provider that names the account."
    )
    backup_dir: Path | None = Field(
        None, description="Folder of the backups; `eqm doctor --production` looks at their age."
    )
    tls_certificate: Path | None = Field(
        None, description="Certificate that nginx serves; `eqm doctor --production` looks at it."
    )
    target: Literal["duckdb", "spark"] = Field("duckdb", description="Engine of the heavy models.")
    spark_master: str = Field(
        "local[*]",
        description="Where Spark runs: in the build's own process, or spark://host:7077.",
    )
    require_approval: bool = Field(
        False, description="Whether rows stand only once the district has signed their file off."
    )
    as_of: str = Field(
        "",
        description="A moment of the past to build the warehouse of; empty means now, from the "
        "raw folder.",
    )
    embargo_until: str = Field(
        "",
        description="Moment until which releases that are made are the centre's alone, such as "
        "2026-07-10T09:00+08:00; empty or over: they are everybody's at once.",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone {value}") from error
        return value

    @field_validator("as_of", "embargo_until")
    @classmethod
    def _known_moment(cls, value: str) -> str:
        try:
            datetime.fromisoformat(value or "2000-01-01")
        except ValueError as error:
            raise ValueError(
                f"no moment {value}; write 2024-09-01T00:00+08:00, or 2024-09-01 in the city's time"
            ) from error
        return value

    @field_validator(
        "raw", "home", "pseudonym_key_file", "contracts", "plan_targets",
        "oidc_client_secret_file", "backup_dir", "tls_certificate",
    )  # fmt: skip
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # Not resolve(), which would follow links.
        return Path(os.path.abspath(value.expanduser())) if value else None  # noqa: PTH100

    @field_validator("home")
    @classmethod
    def _plain_path(cls, value: Path) -> Path:
        if set(str(value)) & set("*?[]{}'"):
            raise ValueError(f"{value} holds one of * ? [ ] {{ }} ', which stand for other things")
        return value

    @field_validator("plan_targets")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        if value is not None:
            plan.check(value)
        return value

    @field_validator("prior_months")
    @classmethod
    def _a_stretch(cls, value: Months) -> Months:
        if value["least"] > value["most"]:
            raise ValueError(f"no wave was held {value['least']} to {value['most']} months before")
        return value

    @field_validator("value_added_models")
    @classmethod
    def _each_term_once(cls, value: dict[str, list[Covariate]]) -> dict[str, list[Covariate]]:
        for name, terms in value.items():
            if len(set(terms)) < len(terms):
                raise ValueError(f"model {name} names a term twice")
        return value

    @model_validator(mode="after")
    def _home_beside_raw(self) -> "Settings":
        if self.home.is_relative_to(self.raw) or self.raw.is_relative_to(self.home):
            raise ValueError("neither of raw and home may lie in the other")
        return self

    @model_validator(mode="after")
    def _key_outside_data(self) -> "Settings":
        for folder in (self.raw, self.home):
            if self.pseudonym_key_file.is_relative_to(folder):
                raise ValueError(f"pseudonym_key_file must lie outside {folder}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls, **given: Any) -> "Settings":
        """Settings from arguments (`None` counts as not given), environment and `eqm.toml`.

        Raises:
            SettingsError: a name is unknown or a value does not fit its type.
        """
        valid = ", ".join(sorted(cls.model_fields))
        own = {f"EQM_{name}".upper() for name in cls.model_fields} | SUBPROCESS_VARIABLES
        unknown = sorted(k for k in os.environ if k.startswith("EQM_") and k not in own)
        if unknown:
            raise SettingsError(f"unknown setting {', '.join(unknown)}; valid names: {valid}")
        try:
            return cls(**{k: v for k, v in given.items() if v is not None})
        except (ValidationError, SourceError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{error}\nvalid names: {valid}") from error

    @property
    def forgotten_key_file(self) -> Path:
        """Key of the digests of students who are forgotten; it stays when that above is changed."""
        return self.pseudonym_key_file.with_name("forgotten.key")

    @property
    def landing(self) -> Path:
        """Landed rows, one immutable Parquet file a submission."""
        return self.home / "landing"

    @property
    def standing(self) -> Path:
        """Views of the landing zone: exactly the rows that stand, one folder a state."""
        return self.home / "standing"

    @property
    def quarantine(self) -> Path:
        """Refused files with their problems."""
        return self.home / "quarantine"

    @property
    def feedback(self) -> Path:
        """Return workbooks, for the schools that handed the files in."""
        return self.home / "feedback"

    @property
    def releases(self) -> Path:
        """Releases, one folder each."""
        return self.home / "releases"

    @property
    def current(self) -> Path:
        """Link to the release that is served."""
        return self.home / "current"

    @property
    def building(self) -> Path:
        """Link to the release that is being made, or whose making failed."""
        return self.home / "building"

    @property
    def kept(self) -> Path:
        """The tables of the last build, for the next; whoever removes them costs it time alone."""
        return self.home / "kept"

    @property
    def ledger(self) -> str:
        """SQLAlchemy address of the ledger of submissions."""
        return self.ledger_url or f"sqlite:///{self.home / 'ledger' / 'ledger.sqlite'}"

    @property
    def gate(self) -> Path:
        """The gate's own state: its key, and accounts where they are in SQLite."""
        return self.home / "gate"

    @property
    def accounts(self) -> str:
        """SQLAlchemy address of accounts, sessions and audit log."""
        return self.accounts_url or f"sqlite:///{self.gate / 'accounts.sqlite'}"

    @property
    def dagster(self) -> Path:
        """Dagster's own state: runs, schedules, logs."""
        return self.home / "dagster"

    @property
    def as_of_utc(self) -> datetime | None:
        """The moment `as_of` in UTC, as the ledger writes times; one without a zone is the city's.

        None where the setting is empty.
        """
        return self.moment(self.as_of).replace(tzinfo=None) if self.as_of else None

    @property
    def embargo_until_utc(self) -> str:
        """The moment `embargo_until` as ISO time in UTC; empty where the setting is."""
        return self.moment(self.embargo_until).isoformat() if self.embargo_until else ""

    def moment(self, text: str) -> datetime:
        """An ISO time or day in UTC; one without a zone is the city's."""
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(self.time_zone))
        return moment.astimezone(UTC)

    @property
    def nightly_cron(self) -> str:
        """When the nightly build starts, as a cron expression."""
        hour, minute = self.nightly_at.split(":")
        return f"{int(minute)} {int(hour)} * * *"

    @property
    def plan_kinds(self) -> dict[str, str]:
        """Kind of entry in the register of programmes that the plan counts → a target's name."""
        return plan.kinds(self.plan_targets or plan.TARGETS)

    def figures(self) -> dict[str, Any]:
        """The settings that a published figure depends on; they enter the release's id.

        The order within a setting says something: the first model of value added is published.
        """
        names = (
            "unit_code unit_name_zh unit_name_en school_year_start_month stages "
            "plan_baseline_year plan_rise_points plan_years "
            "pass_share good_share excellent_share low_share observation_duties lessons_a_record "
            "lessons_a_day inclass_share training_windows association_schools prior_months "
            "value_added_models value_added_students value_added_match value_added_margin "
            "growth_priors growth_students"
        )
        own = self.plan_targets.read_bytes() if self.plan_targets else b""
        return {name: getattr(self, name) for name in names.split()} | {
            # What the file says counts, not where it lies.
            "plan_targets": sha256(own).hexdigest()[:16] if own else ""
        }


SUBPROCESS_VARIABLES = {
    "EQM_WAREHOUSE", "EQM_STANDING", "EQM_DBT_TARGET", "EQM_MADE_ON_SPARK",
    "EQM_PLAN_SEEDS", "EQM_DBT_READ", "EQM_PARTS", "EQM_SERVED_WAREHOUSE",
}  # fmt: skip
"""Set by the build for dbt; they are no settings."""
