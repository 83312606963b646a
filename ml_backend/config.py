"""Settings: the one place that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .domain.addresses import LOOPBACK_HOSTS, base_url, credential, host_name, http_url, in_url, user_name
from .domain.model import GREATEST_SEED
from .domain.snapshot import SplitFractions
from .errors import ConfigurationError

__all__ = ["Settings", "load_settings"]

PREFIX = "LABELLOOP_"
STATE_DATABASES = ("sqlite", "postgresql")
MLFLOW_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

# Far above any sensible value, and below the limits of timers, databases and random number generators.
Seconds = Annotated[float, Field(le=365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(le=2**31 - 1)]
Host = Annotated[str, AfterValidator(host_name)]
User = Annotated[str, AfterValidator(user_name)]
Credential = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(credential(secret.get_secret_value())))]
BaseUrl = Annotated[str, AfterValidator(base_url)]
BaseUrlOrNone = Annotated[str, AfterValidator(lambda url: url and base_url(url))]
UrlOrNone = Annotated[str, AfterValidator(lambda url: url and http_url(url))]


class Settings(BaseSettings):
    """Everything that can be set, each as `LABELLOOP_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", arbitrary_types_allowed=True)

    home: Path = Field(Path(".labelloop"), description="Folder that holds everything a process writes.")
    database_url: str = Field("", description="SQLAlchemy URL of the state; empty: SQLite in the home folder.")
    mlflow_url: str = Field("", description="MLflow tracking and registry URI; empty: SQLite in the home folder.")

    host: Host = Field("127.0.0.1", description="Address that the backend listens on.")
    port: int = Field(9090, ge=1, le=65535, description="Port that the backend listens on.")
    public_url: BaseUrlOrNone = Field(
        "", description="URL under which Label Studio reaches the backend; empty: from host and port."
    )
    threads: int = Field(8, ge=1, le=256, description="Requests that the backend answers at the same time.")
    user: User = Field("labelloop", description="User name of the backend's basic auth.")
    password: Credential = Field(
        SecretStr(""), description="Password of the backend's basic auth; required unless the address is loopback."
    )
    webhook_password: Credential = Field(
        SecretStr(""),
        description="Password of the event webhook, user name `webhook`; it may only post events. "
        "Required when a password is set, and different from it.",
    )

    studio_url: BaseUrl = Field("http://localhost:8080", description="URL of Label Studio, as seen from the backend.")
    studio_token: Credential = Field(
        SecretStr(""), description="Label Studio token: a personal access token or a legacy token."
    )
    studio_timeout_s: Seconds = Field(
        60.0, ge=1, description="Longest wait for one answer of Label Studio, in seconds."
    )

    base_model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="Base model: a Hugging Face name or a folder; any encoder or decoder of transformers.",
    )
    text_base_model: str = Field(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        description="Base model of text areas: a Hugging Face name or a folder; any decoder of transformers. "
        "Empty: no drafts before a version is trained.",
    )
    text_server_url: BaseUrlOrNone = Field(
        "",
        description="URL of an OpenAI-compatible server, such as `http://localhost:8000/v1`, that writes drafts before "
        "the first version, and those of every version whose name one of its models has; empty: none.",
    )
    text_server_model: str = Field(
        "", description="Model of that server that writes drafts before the first version; empty: its only one."
    )
    text_server_key: Credential = Field(SecretStr(""), description="API key of that server.")
    draft_budget_s: Seconds = Field(
        20.0, ge=0.1, description="Seconds per draft of a response; what is written by then is shown."
    )
    runtime: Literal["auto", "openvino-int8", "openvino", "onnxruntime", "torch"] = Field(
        "auto",
        description="What computes pre-labels: `openvino-int8`, `openvino`, `onnxruntime`, `torch`, or `auto`: torch "
        "on a GPU, else the fastest of the others, measured once per machine. With `torch`, trainings make and use no "
        "graph.",
    )
    prediction_cache_mb: Count = Field(
        64,
        ge=0,
        description="Memory for answers that were given before, in MB: the same text of the same version is not "
        "computed again; 0: none are kept.",
    )
    model_memory_mb: Count = Field(
        4096,
        ge=0,
        description="Memory for the models of all projects, in MB: above it, those that were not asked for the longest "
        "time are put away until their next request; 0: no limit.",
    )
    split: Annotated[SplitFractions, NoDecode] = Field(
        SplitFractions(),
        description="Shares of train, validation and test; read when a project is connected, fixed from then on.",
    )
    review_rule: str = Field(
        "submitted",
        description="Which annotations count as reviewed: `submitted`, `ground_truth`, `approved:<control>=<value>` "
        "or `agreement:<N>` annotators.",
    )
    trust_ground_truth: bool = Field(
        False, description="Whether a ground-truth annotation settles a disagreement between annotators."
    )
    seed: int = Field(1, ge=0, le=GREATEST_SEED, description="Seed of training and of the gate's bootstrap.")

    retrain_after: Count = Field(
        50, ge=0, description="New reviewed labels after which training starts by itself; 0: never by itself."
    )
    retrain_debounce_s: Seconds = Field(
        60.0, ge=0, description="Seconds without a new label before training starts by itself."
    )
    retrain_interval_s: Seconds = Field(
        600.0, ge=0, description="Least seconds between two trainings that start by themselves."
    )
    job_heartbeat_timeout_s: Seconds = Field(
        60.0,
        ge=10,
        description="Seconds without a sign of life, which comes every 2 s, after which a running job's process counts "
        "as dead; at least 10.",
    )
    job_attempts: Count = Field(
        3,
        ge=1,
        description="Processes of a job that may die in a row, none leaving a new checkpoint, before the job is over.",
    )
    job_patience_s: Seconds = Field(
        120.0,
        ge=0,
        description="Seconds for which a job retries, up to six times, calls to what cannot be reached, before it "
        "fails; 0: it fails at once.",
    )
    jobs_at_once: Count = Field(2, ge=1, description="Jobs that one worker runs at the same time.")
    auto_push: bool = Field(
        True, description="Whether tasks imported later get pre-labels pushed, which uncertainty sampling needs."
    )
    audit_after_training: bool = Field(
        True,
        description="Whether an audit of the labels follows every training of a project by itself, and its findings "
        "are shown in Label Studio.",
    )
    push_flags_at_most: Count = Field(
        300, ge=0, description="Likely label errors that are shown in Label Studio at a time, the most suspicious ones."
    )
    flag_precision_floor: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of flags that must prove right: a kind of issue that is surely below it is not flagged any "
        "more.",
    )
    hooks: str = Field("", description="Hooks as `module:object`, separated by commas, besides those of entry points.")
    hook_timeout_s: Seconds = Field(
        30.0, ge=0.1, description="Longest time that one call of a hook may take, such as for one row, in seconds."
    )
    redact: str = Field(
        "",
        description="Personal data that is masked in snapshots, exports and all that is made of them: some of `email`, "
        "`phone`, `iban`, `card`, separated by commas; empty: none.",
    )
    redact_region: str = Field(
        "",
        description="Country, such as `DE`, whose national phone numbers are masked; empty: international ones alone.",
    )
    notify_url: UrlOrNone = Field(
        "", description="URL that gets a signed message when a snapshot is written, a version trained or promoted."
    )
    notify_secret: SecretStr = Field(
        SecretStr(""), description="Secret of at least 16 characters that those messages are signed with."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    @field_validator("split", mode="before")
    @classmethod
    def _parse_split(cls, value: object) -> object:
        return SplitFractions.parse(value) if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _check_home(cls, value: Path) -> Path:
        if (value.exists() and not value.is_dir()) or "?" in str(value):
            raise ValueError(f"{str(value)!r} found; wanted a folder, or none yet, without a question mark in its path")
        return value

    @field_validator("database_url", "mlflow_url")
    @classmethod
    def _check_database(cls, value: str, info: ValidationInfo) -> str:
        from .storage.address import check_database_url  # SQLAlchemy takes a while

        is_mlflow = info.field_name == "mlflow_url"
        if is_mlflow and value.startswith(("http://", "https://")):
            http_url(value)
        elif value:
            check_database_url(value, MLFLOW_DATABASES if is_mlflow else STATE_DATABASES)
        return value

    @field_validator("base_model")
    @classmethod
    def _check_base_model(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("nothing found; wanted a Hugging Face name or a folder, or leave it out")
        return value

    @field_validator("review_rule")
    @classmethod
    def _check_review_rule(cls, value: str) -> str:
        from .snapshots.review import ReviewRule

        ReviewRule.parse(value)
        return value

    @model_validator(mode="after")
    def _check_credentials(self) -> "Settings":
        password, webhook = self.password.get_secret_value(), self.webhook_password.get_secret_value()
        if not self.is_loopback and not password:
            raise ValueError(
                f"the backend would listen on {self.host} without a password; "
                f"set {PREFIX}PASSWORD and {PREFIX}WEBHOOK_PASSWORD, or listen on 127.0.0.1"
            )
        if password and not webhook:
            raise ValueError(f"{PREFIX}PASSWORD is set without {PREFIX}WEBHOOK_PASSWORD; set both")
        if password and password == webhook:
            raise ValueError(
                f"{PREFIX}WEBHOOK_PASSWORD equals {PREFIX}PASSWORD; every member of a project can read webhook "
                "headers in Label Studio, so choose another"
            )
        return self

    @model_validator(mode="after")
    def _check_databases(self) -> "Settings":
        if self.database == self.mlflow:
            raise ValueError(
                f"{PREFIX}DATABASE_URL and {PREFIX}MLFLOW_URL are the same; wanted a database each, because both keep "
                "a table alembic_version; one server may hold the two"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can reach the backend."""
        return self.host in LOOPBACK_HOSTS

    @property
    def backend_url(self) -> str:
        """URL under which Label Studio reaches the backend."""
        host = "localhost" if self.is_loopback else self.host
        return self.public_url or f"http://{in_url(host)}:{self.port}"

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the state."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'labelloop.db'}"

    @property
    def mlflow(self) -> str:
        """MLflow tracking and registry URI."""
        return self.mlflow_url or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    def environment(self) -> dict[str, str]:
        """The environment that makes a child process read these same settings."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            values[PREFIX + name.upper()] = str(self.home.resolve()) if name == "home" else text
        return values


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with overrides from the command line.

    Raises:
        ConfigurationError: a value cannot work, or the environment holds a `LABELLOOP_` name that is no setting.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise ConfigurationError(
            f"unknown setting {', '.join(unknown)} in the environment; the known ones are listed in the README "
            "(a misspelt name would otherwise be ignored)"
        )
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(_told, error.errors()))) from None


def _told(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a setting, as a clause."""
    name = "_".join(map(str, error["loc"]))
    problem = error.get("ctx", {}).get("error")
    if problem is None:
        # The value may be shown: labelloop's own checks of secrets never put the secret into a message.
        problem = f"{error['input']!r} found; {error['msg'][:1].lower()}{error['msg'][1:]}"
    return f"{PREFIX}{name.upper()}: {problem}" if name else str(problem)
