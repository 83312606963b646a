"""The parts that groups of settings are made of, and the groups that need nothing else."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from .domain.model import WeakRows
from .plugins import kind_names

__all__ = [
    "AccessOptions",
    "Count",
    "GateOptions",
    "Group",
    "JobOptions",
    "PromptOptions",
    "RayOptions",
    "RetrainingOptions",
    "Seconds",
    "SelectionOptions",
    "SharedOptions",
    "SourceOptions",
    "prefixed",
    "setting",
]

# Far above any sensible value, and below the limits of timers, databases and random number generators.
Seconds = Annotated[float, Field(le=365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(le=2**31 - 1)]


class Group(BaseModel):
    """Settings that belong together; each is named like its field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_default=True, arbitrary_types_allowed=True
    )


def prefixed(prefix: str) -> ConfigDict:
    """Return what a group needs whose settings are named by this prefix and their fields, or by a field's alias."""
    return ConfigDict(alias_generator=lambda name: prefix + name)


def setting(
    default: object, description: str, *, per_project: bool = False, in_studio: bool = False, **constraints: Any
) -> Any:
    """Return a field with the text that the README's table shows.

    Args:
        per_project: a project may have another value than the backend.
        in_studio: also by the extra params of its model in Label Studio, so every value must be harmless there: it
            names no file and no address, downloads nothing, and unmasks nothing.
    """
    marks: dict[str, Any] = {"per_project": per_project or in_studio, "in_studio": in_studio}
    return Field(default=default, description=description, json_schema_extra=marks, **constraints)


def _header(name: str) -> str:
    """Refuse what cannot be a header that a proxy adds."""
    if name and (not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in ("authorization", "cookie", "host")):
        raise ValueError(f"{name!r} found; wanted the name of a header that nothing else uses")
    return name


def _addresses(text: str) -> str:
    """Refuse what is no list of IP addresses and networks."""
    for each in text.split(","):
        if each.strip():
            ipaddress.ip_network(each.strip())  # its error says what was found
    return text


class AccessOptions(Group):
    """How long users of the admin's page stay signed in, and which proxy may sign them in."""

    session_idle_s: Seconds = setting(
        7200.0, "Seconds without a click after which a user of the admin's page is signed out.", ge=60
    )
    session_longest_s: Seconds = setting(
        43200.0, "Seconds after which a user of the admin's page is signed out in any case.", ge=60
    )
    proxy_user_header: Annotated[str, AfterValidator(_header)] = setting(
        "",
        "Header, such as `X-Forwarded-User`, in which a proxy that signs users in names the user; empty: none is "
        "believed.",
    )
    proxy_addresses: Annotated[str, AfterValidator(_addresses)] = setting(
        "", "Addresses and networks of that proxy, separated by commas; the header is read from these alone."
    )

    @model_validator(mode="after")
    def _check_proxy(self) -> "AccessOptions":
        if bool(self.proxy_user_header) is not bool(self.proxy_networks):
            raise ValueError(
                "LABELLOOP_PROXY_USER_HEADER and LABELLOOP_PROXY_ADDRESSES belong together; set both, or none"
            )
        return self

    @property
    def proxy_networks(self) -> "tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]":
        """The networks of `proxy_addresses`."""
        return tuple(ipaddress.ip_network(each.strip()) for each in self.proxy_addresses.split(",") if each.strip())


class RetrainingOptions(Group):
    """When training starts by itself."""

    model_config = prefixed("retrain_")

    after: Count = setting(
        50, "New reviewed labels after which training starts by itself; 0: never by itself.", ge=0, in_studio=True
    )
    on_drift: bool = setting(
        False,
        "Whether the first new label after an alarm that something has changed starts a training, though they are too "
        "few otherwise.",
        in_studio=True,
    )
    debounce_s: Seconds = setting(
        60.0, "Seconds without a new label before training starts by itself.", ge=0, per_project=True
    )
    interval_s: Seconds = setting(
        600.0, "Least seconds between two trainings that start by themselves.", ge=0, per_project=True
    )


def _project_ids(text: str) -> str:
    """Refuse what is no list of project ids."""
    wrong = [each.strip() for each in text.split(",") if each.strip() and not each.strip().isdecimal()]
    if wrong:
        raise ValueError(f"{wrong[0]!r} found; wanted ids of projects in Label Studio, separated by commas")
    return text


class GateOptions(Group):
    """The terms on which a new version serves."""

    model_config = prefixed("gate_")

    refresh: Annotated[str, AfterValidator(_project_ids)] = setting(
        "",
        "Ids of projects, separated by commas, whose new versions serve if they are no worse than the champion, "
        "rather than only if they are better.",
    )
    margin: float = setting(
        0.01, "How much worse counts as no worse in these projects, as a difference of F1.", gt=0, le=0.2
    )

    def margin_for(self, project_id: int) -> float:
        """By how much a new version of a project may be worse; 0: it must be better."""
        refreshed = {int(each) for each in self.refresh.split(",") if each.strip()}
        return self.margin if project_id in refreshed else 0.0


class JobOptions(Group):
    """How many jobs run, and what happens when one dies."""

    model_config = prefixed("job_")

    heartbeat_timeout_s: Seconds = setting(
        60.0,
        "Seconds without a sign of life, which comes every 2 s, after which a running job's process counts "
        "as dead; at least 10.",
        ge=10,
    )
    attempts: Count = setting(
        3, "Processes of a job that may die in a row, none leaving a new checkpoint, before the job is over.", ge=1
    )
    patience_s: Seconds = setting(
        120.0,
        "Seconds for which a job retries, up to six times, calls to what cannot be reached, before it "
        "fails; 0: it fails at once.",
        ge=0,
    )
    launcher: Literal["process", "ray"] = setting(
        "process",
        "Where jobs run: `process`, as child processes of the worker; `ray`, on a Ray cluster, which needs a database, "
        "an MLflow server and shared files that all its nodes reach.",
        alias="launcher",
    )
    at_once: Count = setting(2, "Jobs that one worker runs at the same time.", alias="jobs_at_once", ge=1)
    train_processes: Count = setting(
        1,
        "Processes that tune a model together, each a share of every batch: on GPUs one for each, else they share the "
        "cores.",
        alias="train_processes",
        ge=1,
    )


def _known_strategy(name: str) -> str:
    """Refuse a selection strategy that the folder of strategies does not hold."""
    names = kind_names("ml_backend.selection.strategies")
    if name not in names:
        raise ValueError(f"{name!r} found; input should be one of {', '.join(names)}")
    return name


class SelectionOptions(Group):
    """Which tasks stand on the list of those to label next."""

    model_config = prefixed("select_")

    strategy: Annotated[str, AfterValidator(_known_strategy)] = setting(
        "margin_diverse",
        "Strategy that chooses the tasks to label next; `labelloop select --help` lists them.",
        in_studio=True,
    )
    count: Count = setting(300, "Tasks on the list of those to label next.", ge=1, le=10_000, per_project=True)
    random_share: float = setting(
        0.2,
        "Share of that list that is drawn at random, besides held-out tasks, which always are.",
        ge=0,
        le=1,
        in_studio=True,
    )
    mixed: bool = setting(
        False,
        "Whether likely label errors and disagreements stand on that list as well, by what a second of work on them "
        "is expected to change.",
        in_studio=True,
    )
    features_mb: Count = setting(
        512, "Disk space for the vectors of texts that tasks are chosen by, in MB; 0: none are kept.", ge=0
    )


class SourceOptions(Group):
    """Which label sources trainings learn from, how they are run, and when one is switched off."""

    model_config = prefixed("sources_")

    folder: Annotated[str, AfterValidator(lambda path: path and str(Path(path).resolve()))] = setting(
        "",
        "Folder of label sources that trainings learn from, or of one such folder per project, named like its "
        "snapshots' (`<slug>-<id>`); empty: none. Its code runs with the rights of the worker.",
        alias="sources",
        per_project=True,
    )
    weak_rows: WeakRows = setting(
        WeakRows.AUTO,
        "Whether trainings learn from what label sources propose: `none`, `rows` or `auto`: unless a regression is "
        "worse with it on rows that people labeled.",
        alias="weak_rows",
        per_project=True,
    )

    precision_floor: float = setting(
        0.5,
        "Share of a label source's votes that must prove right: one that is surely below it is switched off.",
        ge=0,
        le=1,
        in_studio=True,
    )
    text_timeout_s: Seconds = setting(
        1.0,
        "Longest time that a label source may take with one text, in seconds; one that takes longer is left out.",
        ge=0.1,
    )


class PromptOptions(Group):
    """Limits and prices of prompted language models."""

    model_config = prefixed("prompt_")

    most: Count = setting(
        1000,
        "Texts that a prompted label source, or each number of examples in `labelloop baseline`, asks the text server "
        "about in one run, those with a known answer not counted; 0: none.",
        ge=0,
    )
    timeout_s: Seconds = setting(
        120.0, "Longest wait for one answer to a prompt, in seconds; a small server of your own may take longer.", ge=1
    )
    at_once: int = setting(4, "Prompts that are with the text server at the same time.", ge=1, le=256)
    input_price: float = setting(
        0.0, "Price of a million tokens that a prompted model reads; 0: not known.", ge=0, allow_inf_nan=False
    )
    output_price: float = setting(
        0.0, "Price of a million tokens that a prompted model writes; 0: not known.", ge=0, allow_inf_nan=False
    )

    def price(self, read_tokens: float, written_tokens: float) -> float | None:
        """Return what tokens cost; None where no price is set."""
        if not (self.input_price or self.output_price):
            return None
        return (read_tokens * self.input_price + written_tokens * self.output_price) / 1_000_000


def _parsed_resources(text: str) -> dict[str, dict[str, float]]:
    """Return amounts by resource by kind of work."""
    found: dict[str, dict[str, float]] = {}
    for each in text.split():
        kind, colon, amounts = each.partition(":")
        pairs = [amount.partition("=") for amount in amounts.split(",")]
        found[kind] = {name: float(value) for name, _, value in pairs}
        if not (kind and colon) or set(found[kind]) - {"cpu", "gpu", "memory_gb"} or min(found[kind].values()) < 0:
            raise ValueError(each)
    return found


def _resources(text: str) -> str:
    """Refuse what does not say how much of what is promised to whom."""
    try:
        _parsed_resources(text)
    except ValueError:
        raise ValueError(f"{text!r} found; wanted such as `train:cpu=4,gpu=1,memory_gb=16 predict:gpu=0.5`") from None
    return text


class RayOptions(Group):
    """The Ray cluster that work may be sent to."""

    model_config = prefixed("ray_")

    address: str = setting(
        "",
        "Address of a Ray cluster, such as `ray-head:6379` or `ray://ray-head:10001`, for jobs and `labelloop "
        "predict`; `auto`: the one on this machine; empty: none. Needs the extra `labelloop[ray]`.",
    )
    resources: Annotated[str, AfterValidator(_resources)] = setting(
        "",
        "What work on the cluster is promised, by kind of job or `predict`, such as `train:cpu=4,gpu=1,memory_gb=16 "
        "predict:gpu=0.5`; else one CPU.",
    )

    def resources_of(self, kind: str, *, cpus: float = 1.0) -> dict[str, float]:
        """Return what work of this kind is promised: `cpu`, by default `cpus` of them, `gpu` and `memory_gb`."""
        return {"cpu": cpus, "gpu": 0.0, "memory_gb": 0.0, **_parsed_resources(self.resources).get(kind, {})}


class SharedOptions(Group):
    """The place for what all machines need."""

    model_config = prefixed("shared_")

    url: str = setting(
        "",
        "Folder on a network drive, or URL that fsspec opens, such as `s3://bucket/labelloop`, where snapshots and the "
        "files of versions are kept for all machines; empty: each in its home folder alone.",
    )
    cache_mb: Count = setting(
        4096,
        "Disk space for copies from there, in MB: above it, those that were not asked for the longest time are "
        "removed, though none of the last hour.",
        ge=0,
    )
