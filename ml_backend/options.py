"""Every setting, in groups that are passed on as they are. Plain values: `config` alone reads the environment."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from .domain.addresses import LOOPBACK_HOSTS, base_url, credential, host_name, http_url, in_url, user_name
from .domain.model import GREATEST_SEED
from .domain.snapshot import SplitFractions

__all__ = ["PREFIX", "BackendOptions", "ExtensionOptions", "Options", "all_settings"]

PREFIX = "LABELLOOP_"
STATE_DATABASES = ("sqlite", "postgresql")
MLFLOW_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

# Far above any sensible value, and below the limits of timers, databases and random number generators.
Seconds = Annotated[float, Field(le=365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(le=2**31 - 1)]
Credential = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(credential(secret.get_secret_value())))]
BaseUrlOrNone = Annotated[str, AfterValidator(lambda url: url and base_url(url))]


def _config(prefix: str = "") -> ConfigDict:
    """Return what all groups share; a setting is named by the prefix and its field, or by the field's alias."""
    return ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_default=True,
        arbitrary_types_allowed=True,
        alias_generator=lambda name: prefix + name,
    )


class BackendOptions(BaseModel):
    """Where the backend listens, and who may use it."""

    model_config = _config()

    host: Annotated[str, AfterValidator(host_name)] = Field(
        default="127.0.0.1", description="Address that the backend listens on."
    )
    port: int = Field(default=9090, ge=1, le=65535, description="Port that the backend listens on.")
    public_url: BaseUrlOrNone = Field(
        default="", description="URL under which Label Studio reaches the backend; empty: from host and port."
    )
    threads: int = Field(default=8, ge=1, le=256, description="Requests that the backend answers at the same time.")
    user: Annotated[str, AfterValidator(user_name)] = Field(
        default="labelloop", description="User name of the backend's basic auth."
    )
    password: Credential = Field(
        default=SecretStr(""),
        description="Password of the backend's basic auth; required unless the address is loopback.",
    )
    webhook_password: Credential = Field(
        default=SecretStr(""),
        description="Password of the event webhook, user name `webhook`; it may only post events. "
        "Required when a password is set, and different from it.",
    )

    @model_validator(mode="after")
    def _check_credentials(self) -> "BackendOptions":
        if not self.is_loopback and not self.password:
            raise ValueError(
                f"the backend would listen on {self.host} without a password; "
                f"set {PREFIX}PASSWORD and {PREFIX}WEBHOOK_PASSWORD, or listen on 127.0.0.1"
            )
        if self.password and not self.webhook_password:
            raise ValueError(f"{PREFIX}PASSWORD is set without {PREFIX}WEBHOOK_PASSWORD; set both")
        if self.password and self.password == self.webhook_password:
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
    def url(self) -> str:
        """URL under which Label Studio reaches the backend."""
        host = "localhost" if self.is_loopback else self.host
        return self.public_url or f"http://{in_url(host)}:{self.port}"


class StudioOptions(BaseModel):
    """How the backend reaches Label Studio."""

    model_config = _config("studio_")

    url: Annotated[str, AfterValidator(base_url)] = Field(
        default="http://localhost:8080", description="URL of Label Studio, as seen from the backend."
    )
    token: Credential = Field(
        default=SecretStr(""), description="Label Studio token: a personal access token or a legacy token."
    )
    timeout_s: Seconds = Field(
        default=60.0, ge=1, description="Longest wait for one answer of Label Studio, in seconds."
    )


class ModelOptions(BaseModel):
    """The pretrained models that trainings start from."""

    model_config = _config()

    base_model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="Base model: a Hugging Face name or a folder; any encoder or decoder of transformers.",
    )
    text_base_model: str = Field(
        default="HuggingFaceTB/SmolLM2-135M-Instruct",
        description="Base model of text areas: a Hugging Face name or a folder; any decoder of transformers. "
        "Empty: no drafts before a version is trained.",
    )

    @field_validator("base_model")
    @classmethod
    def _check_base_model(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("nothing found; wanted a Hugging Face name or a folder, or leave it out")
        return value


class TextServerOptions(BaseModel):
    """The OpenAI-compatible server that writes drafts, where there is one."""

    model_config = _config("text_server_")

    url: BaseUrlOrNone = Field(
        default="",
        description="URL of an OpenAI-compatible server, such as `http://localhost:8000/v1`, that writes drafts before "
        "the first version, and those of every version whose name one of its models has; empty: none.",
    )
    model: str = Field(
        default="", description="Model of that server that writes drafts before the first version; empty: its only one."
    )
    key: Credential = Field(default=SecretStr(""), description="API key of that server.")


class ServingOptions(BaseModel):
    """How pre-labels are computed, and what that may cost."""

    model_config = _config()

    draft_budget_s: Seconds = Field(
        default=20.0, ge=0.1, description="Seconds per draft of a response; what is written by then is shown."
    )
    runtime: Literal["auto", "openvino-int8", "openvino", "onnxruntime", "torch"] = Field(
        default="auto",
        description="What computes pre-labels: `openvino-int8`, `openvino`, `onnxruntime`, `torch`, or `auto`: torch "
        "on a GPU, else the fastest of the others, measured once per machine. With `torch`, trainings make and use no "
        "graph.",
    )
    prediction_cache_mb: Count = Field(
        default=64,
        ge=0,
        description="Memory for answers that were given before, in MB: the same text of the same version is not "
        "computed again; 0: none are kept.",
    )
    model_memory_mb: Count = Field(
        default=4096,
        ge=0,
        description="Memory for the models of all projects, in MB: above it, those that were not asked for the longest "
        "time are put away until their next request; 0: no limit.",
    )

    @property
    def exports_graphs(self) -> bool:
        """True where trainings write model graphs that serve without torch."""
        return self.runtime != "torch"


class LabelOptions(BaseModel):
    """Which labels count, and for what."""

    model_config = _config()

    split: Annotated[
        SplitFractions, BeforeValidator(lambda value: SplitFractions.parse(value) if isinstance(value, str) else value)
    ] = Field(
        default=SplitFractions(),
        description="Shares of train, validation and test; read when a project is connected, fixed from then on.",
    )
    review_rule: str = Field(
        default="submitted",
        description="Which annotations count as reviewed: `submitted`, `ground_truth`, `approved:<control>=<value>` "
        "or `agreement:<N>` annotators.",
    )
    trust_ground_truth: bool = Field(
        default=False, description="Whether a ground-truth annotation settles a disagreement between annotators."
    )

    @field_validator("review_rule")
    @classmethod
    def _check_review_rule(cls, value: str) -> str:
        from .snapshots.review import ReviewRule

        ReviewRule.parse(value)
        return value


class RetrainingOptions(BaseModel):
    """When training starts by itself."""

    model_config = _config("retrain_")

    after: Count = Field(
        default=50, ge=0, description="New reviewed labels after which training starts by itself; 0: never by itself."
    )
    debounce_s: Seconds = Field(
        default=60.0, ge=0, description="Seconds without a new label before training starts by itself."
    )
    interval_s: Seconds = Field(
        default=600.0, ge=0, description="Least seconds between two trainings that start by themselves."
    )


class JobOptions(BaseModel):
    """How many jobs run, and what happens when one dies."""

    model_config = _config("job_")

    heartbeat_timeout_s: Seconds = Field(
        default=60.0,
        ge=10,
        description="Seconds without a sign of life, which comes every 2 s, after which a running job's process counts "
        "as dead; at least 10.",
    )
    attempts: Count = Field(
        default=3,
        ge=1,
        description="Processes of a job that may die in a row, none leaving a new checkpoint, before the job is over.",
    )
    patience_s: Seconds = Field(
        default=120.0,
        ge=0,
        description="Seconds for which a job retries, up to six times, calls to what cannot be reached, before it "
        "fails; 0: it fails at once.",
    )
    at_once: Count = Field(
        default=2, alias="jobs_at_once", ge=1, description="Jobs that one worker runs at the same time."
    )


class FeedbackOptions(BaseModel):
    """What is written back to Label Studio by itself."""

    model_config = _config()

    auto_push: bool = Field(
        default=True,
        description="Whether tasks imported later get pre-labels pushed, which uncertainty sampling needs.",
    )
    audit_after_training: bool = Field(
        default=True,
        description="Whether an audit of the labels follows every training of a project by itself, and its findings "
        "are shown in Label Studio.",
    )
    push_flags_at_most: Count = Field(
        default=300,
        ge=0,
        description="Likely label errors that are shown in Label Studio at a time, the most suspicious ones.",
    )
    flag_precision_floor: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of flags that must prove right: a kind of issue that is surely below it is not flagged any "
        "more.",
    )


class ExtensionOptions(BaseModel):
    """Other people's code, and the hooks that labelloop ships."""

    model_config = _config()

    hooks: str = Field(
        default="", description="Hooks as `module:object`, separated by commas, besides those of entry points."
    )
    hook_timeout_s: Seconds = Field(
        default=30.0,
        ge=0.1,
        description="Longest time that one call of a hook may take, such as for one row, in seconds.",
    )
    redact: str = Field(
        default="",
        description="Personal data that is masked in snapshots, exports and all that is made of them: some of `email`, "
        "`phone`, `iban`, `card`, separated by commas; empty: none.",
    )
    redact_region: str = Field(
        default="",
        description="Country, such as `DE`, whose national phone numbers are masked; empty: international ones alone.",
    )
    notify_url: Annotated[str, AfterValidator(lambda url: url and http_url(url))] = Field(
        default="",
        description="URL that gets a signed message when a snapshot is written, a version trained or promoted.",
    )
    notify_secret: SecretStr = Field(
        default=SecretStr(""), description="Secret of at least 16 characters that those messages are signed with."
    )


class Options(BaseModel):
    """Every setting. Made from a value per setting, by the settings' names: `Options(home=..., retrain_after=50)`."""

    model_config = _config()

    home: Path = Field(default=Path(".labelloop"), description="Folder that holds everything a process writes.")
    database_url: str = Field(default="", description="SQLAlchemy URL of the state; empty: SQLite in the home folder.")
    mlflow_url: str = Field(
        default="", description="MLflow tracking and registry URI; empty: SQLite in the home folder."
    )
    backend: BackendOptions = BackendOptions()
    studio: StudioOptions = StudioOptions()
    models: ModelOptions = ModelOptions()
    text_server: TextServerOptions = TextServerOptions()
    serving: ServingOptions = ServingOptions()
    labels: LabelOptions = LabelOptions()
    seed: int = Field(default=1, ge=0, le=GREATEST_SEED, description="Seed of training and of the gate's bootstrap.")
    retraining: RetrainingOptions = RetrainingOptions()
    jobs: JobOptions = JobOptions()
    feedback: FeedbackOptions = FeedbackOptions()
    extensions: ExtensionOptions = ExtensionOptions()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged."
    )

    @model_validator(mode="before")
    @classmethod
    def _into_groups(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put the value of each setting into its group; a name that is no setting's stays, and is refused."""
        grouped: dict[str, Any] = {}
        places = {setting: group for setting, group, _, _ in _fields()}
        for name, value in values.items():
            if group := places.get(name):
                grouped.setdefault(group, {})[name] = value
            else:
                grouped[name] = value
        return grouped

    @field_validator("home")
    @classmethod
    def _check_home(cls, value: Path) -> Path:
        if (value.exists() and not value.is_dir()) or "?" in str(value):
            raise ValueError(f"{str(value)!r} found; wanted a folder, or none yet, without a question mark in its path")
        return value.resolve()

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

    @model_validator(mode="after")
    def _check_databases(self) -> "Options":
        if self.database == self.mlflow:
            raise ValueError(
                f"{PREFIX}DATABASE_URL and {PREFIX}MLFLOW_URL are the same; wanted a database each, because both keep "
                "a table alembic_version; one server may hold the two"
            )
        return self

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the state."""
        return self.database_url or f"sqlite:///{self.home / 'labelloop.db'}"

    @property
    def mlflow(self) -> str:
        """MLflow tracking and registry URI."""
        return self.mlflow_url or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def graphs_folder(self) -> Path:
        """Folder of what versions over one base model share when they are computed without torch."""
        return self.home / "graphs"

    @property
    def snapshots_folder(self) -> Path:
        """Folder that holds all snapshots."""
        return self.home / "snapshots"

    def environment(self) -> dict[str, str]:
        """Return the environment that makes a child process read these same settings."""
        variables: dict[str, str] = {}
        for setting, group, field, _ in _fields():
            value = getattr(getattr(self, group) if group else self, field)
            variables[PREFIX + setting.upper()] = (
                value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            )
        return variables


def all_settings() -> dict[str, FieldInfo]:
    """Return the field of each setting by the setting's name, in the README's order."""
    return {setting: field for setting, _, _, field in _fields()}


def _fields() -> Iterator[tuple[str, str, str, FieldInfo]]:
    """Yield each setting's name, its group or "", and the name and definition of its field."""
    for name, field in Options.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for inner, definition in field.annotation.model_fields.items():
                yield definition.alias or inner, name, inner, definition
        else:
            yield name, "", name, field
