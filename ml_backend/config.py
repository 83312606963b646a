"""Settings: the one place that reads the environment."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .domain.snapshot import SplitFractions
from .errors import ConfigurationError

__all__ = ["LOOPBACK_HOSTS", "Settings", "load_settings"]

PREFIX = "LABELLOOP_"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """Everything that can be set, each as `LABELLOOP_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", arbitrary_types_allowed=True)

    home: Path = Field(Path(".labelloop"), description="Folder that holds everything a process writes.")
    database_url: str = Field("", description="SQLAlchemy URL of the state; empty: SQLite in the home folder.")
    mlflow_url: str = Field("", description="MLflow tracking and registry URI; empty: SQLite in the home folder.")

    host: str = Field("127.0.0.1", description="Address that the backend listens on.")
    port: int = Field(9090, ge=1, le=65535, description="Port that the backend listens on.")
    public_url: str = Field(
        "", description="URL under which Label Studio reaches the backend; empty: from host and port."
    )
    threads: int = Field(8, ge=1, le=256, description="Requests that the backend answers at the same time.")
    user: str = Field("labelloop", description="User name of the backend's basic auth.")
    password: SecretStr = Field(
        SecretStr(""), description="Password of the backend's basic auth; required unless the address is loopback."
    )
    webhook_password: SecretStr = Field(
        SecretStr(""),
        description="Password of the event webhook, user name `webhook`; it may only post events. "
        "Required when a password is set, and different from it.",
    )

    studio_url: str = Field("http://localhost:8080", description="URL of Label Studio, as seen from the backend.")
    studio_token: SecretStr = Field(
        SecretStr(""), description="Label Studio token: a personal access token or a legacy token."
    )
    studio_timeout_s: float = Field(60.0, gt=0, description="Longest wait for one answer of Label Studio, in seconds.")

    base_model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="Base model: a Hugging Face name or a folder; any encoder or decoder of transformers.",
    )
    text_base_model: str = Field(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        description="Base model of text areas: a Hugging Face name or a folder; any decoder of transformers. "
        "Empty: no drafts before a version is trained.",
    )
    text_server_url: str = Field(
        "",
        description="URL of an OpenAI-compatible server, such as `http://localhost:8000/v1`, that writes drafts before "
        "the first version, and those of every version whose name one of its models has; empty: none.",
    )
    text_server_model: str = Field(
        "", description="Model of that server that writes drafts before the first version; empty: its only one."
    )
    text_server_key: SecretStr = Field(SecretStr(""), description="API key of that server.")
    draft_budget_s: float = Field(
        20.0, gt=0, description="Seconds per draft of a response; what is written by then is shown."
    )
    runtime: Literal["auto", "openvino-int8", "openvino", "onnxruntime", "torch"] = Field(
        "auto",
        description="What computes pre-labels: `openvino-int8`, `openvino`, `onnxruntime`, `torch`, or `auto`: torch "
        "on a GPU, else the fastest of the others, measured once per machine. With `torch`, trainings make and use no "
        "graph.",
    )
    prediction_cache_mb: int = Field(
        64,
        ge=0,
        description="Memory for answers that were given before, in MB: the same text of the same version is not "
        "computed again; 0: none are kept.",
    )
    model_memory_mb: int = Field(
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
    seed: int = Field(1, ge=0, description="Seed of training and of the gate's bootstrap.")

    retrain_after: int = Field(
        50, ge=0, description="New reviewed labels after which training starts by itself; 0: never by itself."
    )
    retrain_debounce_s: float = Field(
        60.0, ge=0, description="Seconds without a new label before training starts by itself."
    )
    retrain_interval_s: float = Field(
        600.0, ge=0, description="Least seconds between two trainings that start by themselves."
    )
    job_heartbeat_timeout_s: float = Field(
        60.0, gt=0, description="Seconds without a sign of life after which a running job's process counts as dead."
    )
    job_attempts: int = Field(
        3,
        ge=1,
        description="Processes of a job that may die in a row, none leaving a new checkpoint, before the job is over.",
    )
    job_patience_s: float = Field(
        120.0,
        ge=0,
        le=86_400,
        description="Seconds over which a job tries again, up to six times, what cannot be reached, before it fails; "
        "0: it fails at once.",
    )
    jobs_at_once: int = Field(2, ge=1, description="Jobs that one worker runs at the same time.")
    auto_push: bool = Field(
        True, description="Whether tasks imported later get pre-labels pushed, which uncertainty sampling needs."
    )
    audit_after_training: bool = Field(
        True,
        description="Whether an audit of the labels follows every training of a project by itself, and its findings "
        "are shown in Label Studio.",
    )
    push_flags_at_most: int = Field(
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
    hook_timeout_s: float = Field(
        30.0, gt=0, description="Longest time that one call of a hook may take, such as for one row, in seconds."
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
    notify_url: str = Field(
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

    @field_validator("studio_url", "public_url", "text_server_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} found; wanted a URL that starts with http:// or https://")
        return value.rstrip("/")

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

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can reach the backend."""
        return self.host in LOOPBACK_HOSTS

    @property
    def backend_url(self) -> str:
        """URL under which Label Studio reaches the backend."""
        host = "localhost" if self.is_loopback else self.host
        return self.public_url or f"http://{host}:{self.port}"

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
        problems = [
            f"{PREFIX}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" if e["loc"] else e["msg"]
            for e in error.errors()
        ]
        raise ConfigurationError("; ".join(problems)) from None
