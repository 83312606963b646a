"""Every setting, in groups that are passed on as they are. Plain values: `config` alone reads the environment."""
# Longer than 400 lines because every setting stands here, and nowhere else.

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from .domain.addresses import LOOPBACK_HOSTS, base_url, credential, host_name, http_url, in_url, user_name
from .domain.model import GREATEST_SEED
from .domain.snapshot import SplitFractions
from .errors import ConfigurationError
from .option_groups import (
    AccessOptions,
    Count,
    GateOptions,
    Group,
    JobOptions,
    PromptOptions,
    RayOptions,
    RetrainingOptions,
    Seconds,
    SelectionOptions,
    SharedOptions,
    SourceOptions,
    prefixed,
    setting,
)

__all__ = ["PREFIX", "BackendOptions", "CostOptions", "Options", "all_settings", "problem_of", "project_settings"]

PREFIX = "LABELLOOP_"
STATE_DATABASES = ("sqlite", "postgresql")
MLFLOW_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

Credential = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(credential(secret.get_secret_value())))]
BaseUrlOrNone = Annotated[str, AfterValidator(lambda url: url and base_url(url))]


def _known_runtime(name: str) -> str:
    """Refuse a runtime that the folder of runtimes does not hold; only a named one costs listing it."""
    if name != "auto":
        from .models.graphs.fastest import runtime_names

        names = ("auto", *runtime_names())
        if name not in names:
            raise ValueError(f"{name!r} found; input should be one of {', '.join(names)}")
    return name


class BackendOptions(Group):
    """The address on which the backend listens, and who may use it."""

    host: Annotated[str, AfterValidator(host_name)] = setting("127.0.0.1", "Address that the backend listens on.")
    port: int = setting(9090, "Port that the backend listens on.", ge=1, le=65535)
    public_url: BaseUrlOrNone = setting(
        "", "URL under which Label Studio reaches the backend; empty: from host and port."
    )
    threads: int = setting(8, "Requests that the backend answers at the same time.", ge=1, le=256)
    user: Annotated[str, AfterValidator(user_name)] = setting("labelloop", "User name of the backend's basic auth.")
    password: Credential = setting(
        SecretStr(""), "Password of the backend's basic auth; required unless the address is loopback."
    )
    webhook_password: Credential = setting(
        SecretStr(""),
        "Password of the event webhook, user name `webhook`; it may only post events. "
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


class StudioOptions(Group):
    """How the backend reaches Label Studio."""

    model_config = prefixed("studio_")

    url: Annotated[str, AfterValidator(base_url)] = setting(
        "http://localhost:8080", "URL of Label Studio, as seen from the backend."
    )
    token: Credential = setting(SecretStr(""), "Label Studio token: a personal access token or a legacy token.")
    timeout_s: Seconds = setting(60.0, "Longest wait for one answer of Label Studio, in seconds.", ge=1)
    pushes: Count = setting(
        1,
        "Parts of pre-labels that are pushed to Label Studio at the same time; more than 1 only where its database is "
        "PostgreSQL and it has several processes with cores to spare: on SQLite, people who save an annotation "
        "meanwhile wait, and may be refused.",
        ge=1,
        le=16,
    )


class ModelOptions(Group):
    """The pretrained models that trainings start from."""

    base_model: str = setting(
        "sentence-transformers/all-MiniLM-L6-v2",
        "Base model: a Hugging Face name or a folder; any encoder or decoder of transformers.",
        per_project=True,
    )
    text_base_model: str = setting(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "Base model of text areas: a Hugging Face name or a folder; any decoder of transformers. "
        "Empty: no drafts before a version is trained.",
        per_project=True,
    )

    @field_validator("base_model")
    @classmethod
    def _check_base_model(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("nothing found; wanted a Hugging Face name or a folder, or leave it out")
        return value


class TextServerOptions(Group):
    """The OpenAI-compatible server that writes drafts and answers prompts, where there is one."""

    model_config = prefixed("text_server_")

    url: BaseUrlOrNone = setting(
        "",
        "URL of an OpenAI-compatible server, such as `http://localhost:8000/v1`, that writes drafts before "
        "the first version, and those of every version whose name one of its models has, and that `labelloop baseline` "
        "and prompted label sources ask; empty: none.",
    )
    model: str = setting(
        "",
        "Model of that server that writes drafts before the first version, and that prompts are for; empty: its only "
        "one.",
    )
    key: Credential = setting(SecretStr(""), "API key of that server.")


class ServingOptions(Group):
    """How pre-labels are computed, and what that may cost."""

    draft_budget_s: Seconds = setting(
        20.0, "Seconds per draft of a response; what is written by then is shown.", ge=0.1
    )
    runtime: Annotated[str, AfterValidator(_known_runtime)] = setting(
        "auto",
        "What computes pre-labels: `openvino-int8`, `openvino`, `onnxruntime`, `torch`, or `auto`: torch "
        "on a GPU, else the fastest of the others, measured once per machine. With `torch`, trainings make and use no "
        "graph.",
    )
    prediction_cache_mb: Count = setting(
        64,
        "Memory for answers that were given before, in MB: the same text of the same version is not "
        "computed again; 0: none are kept.",
        ge=0,
    )
    model_memory_mb: Count = setting(
        4096,
        "Memory for the models of all projects, in MB: above it, those that were not asked for the longest "
        "time are put away until their next request; 0: no limit.",
        ge=0,
    )

    @property
    def exports_graphs(self) -> bool:
        """True where trainings write model graphs that serve without torch."""
        return self.runtime != "torch"


class LabelOptions(Group):
    """Which labels count, and for what."""

    split: Annotated[
        SplitFractions, BeforeValidator(lambda value: SplitFractions.parse(value) if isinstance(value, str) else value)
    ] = setting(
        SplitFractions(),
        "Shares of train, validation and test; read when a project is connected, fixed from its first label on.",
        per_project=True,
    )
    ignored_fields: str = setting(
        "",
        "Fields not to read, separated by commas; read when a project is connected, fixed from its first label on.",
        per_project=True,
    )
    review_rule: str = setting(
        "submitted",
        "Which annotations count as reviewed: `submitted`, `ground_truth`, `approved:<control>=<value>` "
        "or `agreement:<N>` annotators.",
        in_studio=True,
    )
    trust_ground_truth: bool = setting(
        False, "Whether a ground-truth annotation settles a disagreement between annotators.", in_studio=True
    )
    train_on_accepted: bool = setting(
        False,
        "Whether answers that `labelloop auto-accept` accepted are trained on; they are never validated or tested on.",
        per_project=True,
    )

    slice_fields: str = setting(
        "",
        "Fields of the task's data, separated by commas, by whose values versions are compared as well: the gate keeps "
        "a version out that is surely worse for one of them.",
        in_studio=True,
    )

    @field_validator("review_rule")
    @classmethod
    def _check_review_rule(cls, value: str) -> str:
        from .snapshots.review import ReviewRule

        ReviewRule.parse(value)
        return value

    @property
    def sliced_fields(self) -> tuple[str, ...]:
        """The fields of `slice_fields`."""
        return tuple(dict.fromkeys(name for each in self.slice_fields.split(",") if (name := each.strip())))


class FeedbackOptions(Group):
    """Settings of what is written back to Label Studio without a command."""

    auto_push: bool = setting(
        True, "Whether tasks imported later get pre-labels pushed, which uncertainty sampling needs.", in_studio=True
    )
    audit_after_training: bool = setting(
        True,
        "Whether an audit of the labels follows every training of a project by itself, and its findings "
        "are shown in Label Studio.",
        in_studio=True,
    )
    push_flags_at_most: Count = setting(
        300,
        "Likely label errors that are shown in Label Studio at a time, the most suspicious ones.",
        ge=0,
        per_project=True,
    )
    mark_further: bool = setting(
        False,
        "Whether a mark that an annotator draws with Auto-Annotation on is repeated wherever its text has those words.",
        in_studio=True,
    )
    prelabels_off: str = setting(
        "",
        "Labels that pre-labels must not show, separated by commas: tasks that the model answers so are left to people "
        "alone.",
        in_studio=True,
    )
    flag_precision_floor: float = setting(
        0.2,
        "Share of flags that must prove right: a kind of issue that is surely below it is not flagged any more.",
        ge=0,
        le=1,
        in_studio=True,
    )

    @property
    def labels_off(self) -> frozenset[str]:
        """The labels of `prelabels_off`."""
        return frozenset(name for each in self.prelabels_off.split(",") if (name := each.strip()))


class CostOptions(Group):
    """Prices of labels and machines, and when more labels stop paying."""

    expert_hour_price: float = setting(
        0.0,
        "Price of an expert's hour, for `labelloop report`; 0: hours alone are shown.",
        ge=0,
        allow_inf_nan=False,
        in_studio=True,
    )
    machine_hour_price: float = setting(
        0.0,
        "Price of an hour of the machine that trains; 0: hours alone are shown.",
        ge=0,
        allow_inf_nan=False,
        in_studio=True,
    )
    currency: str = setting(
        "EUR", "Currency of all prices, as it is written behind a number.", max_length=12, in_studio=True
    )
    stop_below_gain: float = setting(
        0.002,
        "Least F1, from 0 to 1, that an expert's hour must gain: where the next 100 labels gain less, "
        "`labelloop report` says that more of them do not pay.",
        ge=0,
        le=1,
        in_studio=True,
    )


class _ExtensionOptions(Group):
    """Other people's code, and the hooks that labelloop ships."""

    hooks: str = setting("", "Hooks as `module:object`, separated by commas, besides those of entry points.")
    hook_timeout_s: Seconds = setting(
        30.0, "Longest time that one call of a hook may take, such as for one row, in seconds.", ge=0.1
    )
    notify_url: Annotated[str, AfterValidator(lambda url: url and http_url(url))] = setting(
        "", "URL that gets a signed message when a snapshot is written, a version trained or promoted, or drift found."
    )
    notify_secret: SecretStr = setting(
        SecretStr(""), "Secret of at least 16 characters that those messages are signed with."
    )


class RedactionOptions(Group):
    """Personal data that is masked in what is learned from and handed on."""

    redact: str = setting(
        "",
        "Personal data that is masked in snapshots, exports and all that is made of them: some of `email`, "
        "`phone`, `iban`, `card`, separated by commas; empty: none.",
        per_project=True,
    )
    redact_region: str = setting(
        "",
        "Country, such as `DE`, whose national phone numbers are masked; empty: international ones alone.",
        per_project=True,
    )

    @model_validator(mode="after")
    def _check_redaction(self) -> "RedactionOptions":
        if self.redact:
            from .hooks.redaction import Redaction

            Redaction(self.redact, self.redact_region)
        return self


class Options(Group):
    """Every setting. Made from a value per setting, by the settings' names: `Options(home=..., retrain_after=50)`."""

    home: Path = setting(Path(".labelloop"), "Folder that holds everything a process writes.")
    database_url: str = setting("", "SQLAlchemy URL of the state; empty: SQLite in the home folder.")
    mlflow_url: str = setting("", "MLflow tracking and registry URI; empty: SQLite in the home folder.")
    backend: BackendOptions = Field(default_factory=BackendOptions)
    access: AccessOptions = Field(default_factory=AccessOptions)
    studio: StudioOptions = Field(default_factory=StudioOptions)
    models: ModelOptions = Field(default_factory=ModelOptions)
    text_server: TextServerOptions = Field(default_factory=TextServerOptions)
    serving: ServingOptions = Field(default_factory=ServingOptions)
    labels: LabelOptions = Field(default_factory=LabelOptions)
    seed: int = setting(1, "Seed of training and of the gate's bootstrap.", ge=0, le=GREATEST_SEED)
    retraining: RetrainingOptions = Field(default_factory=RetrainingOptions)
    gate: GateOptions = Field(default_factory=GateOptions)
    jobs: JobOptions = Field(default_factory=JobOptions)
    ray: RayOptions = Field(default_factory=RayOptions)
    shared: SharedOptions = Field(default_factory=SharedOptions)
    feedback: FeedbackOptions = Field(default_factory=FeedbackOptions)
    selection: SelectionOptions = Field(default_factory=SelectionOptions)
    sources: SourceOptions = Field(default_factory=SourceOptions)
    prompts: PromptOptions = Field(default_factory=PromptOptions)
    costs: CostOptions = Field(default_factory=CostOptions)
    redaction: RedactionOptions = Field(default_factory=RedactionOptions)
    extensions: _ExtensionOptions = Field(default_factory=_ExtensionOptions)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("INFO", "Least level that is logged.")

    @model_validator(mode="before")
    @classmethod
    def _into_groups(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put the value of each setting into its group; a name that is no setting's stays, and is refused."""
        grouped: dict[str, Any] = {}
        places = {name: group for name, group, _, _ in _fields()}
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
        return {PREFIX + name.upper(): text for name, text in self.texts(all_settings()).items()}

    def texts(self, names: Collection[str]) -> dict[str, str]:
        """Return the values of these settings as text, secrets too; each text would give the same value again."""
        texts: dict[str, str] = {}
        for name, group, field, _ in _fields():
            if name in names:
                value = getattr(getattr(self, group) if group else self, field)
                texts[name] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        return texts

    def with_values(self, values: Mapping[str, object]) -> "Options":
        """Return these options with other values of settings that lie in groups.

        Raises:
            ConfigurationError: a value cannot work, or there is no such setting.
        """
        per_group: dict[str, dict[str, object]] = {}
        places = {name: group for name, group, _, _ in _fields() if group}
        for name, value in values.items():
            if name not in places:
                raise ConfigurationError(f"unknown setting {name}; the known ones are listed in the README")
            per_group.setdefault(places[name], {})[name] = value
        changed: dict[str, BaseModel] = {}
        for group, new in per_group.items():
            before: BaseModel = getattr(self, group)
            # What was given before stays given, so that it can be told from a default.
            given = {
                definition.alias or field: getattr(before, field)
                for field, definition in type(before).model_fields.items()
                if field in before.model_fields_set
            }
            try:
                changed[group] = type(before)(**{**given, **new})
            except ValidationError as error:
                raise ConfigurationError("; ".join(map(problem_of, error.errors()))) from None
        return self.model_copy(update=changed)


def all_settings() -> dict[str, FieldInfo]:
    """Return the field of each setting by the setting's name, in the README's order."""
    return {name: field for name, _, _, field in _fields()}


def project_settings(*, in_studio: bool = False) -> dict[str, tuple[str, str]]:
    """Return the group and the field of each setting that a project may have for itself, by its name.

    Args:
        in_studio: only those that Label Studio's extra params may hold as well.
    """
    mark = "in_studio" if in_studio else "per_project"
    return {name: (group, field) for name, group, field, definition in _fields() if _has(definition, mark)}


def problem_of(error: Mapping[str, Any]) -> str:
    """Return what pydantic found wrong with a setting, or with several settings together, as a clause."""
    *_, name = error["loc"] or ("",)
    problem = error.get("ctx", {}).get("error")
    if problem is None:
        # The value may be shown: labelloop's own checks of secrets never put the secret into a message.
        problem = f"{error['input']!r} found; {error['msg'][:1].lower()}{error['msg'][1:]}"
    return f"{PREFIX}{name.upper()}: {problem}" if name in all_settings() else str(problem)


def _has(definition: FieldInfo, mark: str) -> bool:
    marks = definition.json_schema_extra
    return isinstance(marks, Mapping) and bool(marks.get(mark))


def _fields() -> Iterator[tuple[str, str, str, FieldInfo]]:
    """Yield each setting's name, its group or "", and the name and definition of its field."""
    for name, field in Options.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for inner, definition in field.annotation.model_fields.items():
                yield definition.alias or inner, name, inner, definition
        else:
            yield name, "", name, field
