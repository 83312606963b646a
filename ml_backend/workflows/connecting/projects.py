"""Remember projects as Label Studio describes them, and say which version answers them."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...domain.annotation import Task
from ...domain.project import Project
from ...domain.snapshot import SplitFractions
from ...errors import DatabaseUnavailable
from ...labelstudio.plans import plan_of
from ...tasks import ServingPlan
from ...tasks.shown_texts import ReadFields
from ..services import Services
from .config_history import changes_between

__all__ = ["announced_version", "project_as_it_is", "read_fields", "remember_project", "served_project", "slug_of"]

log = logging.getLogger(__name__)

DEFAULT_SLUG = "labelloop"
MAX_SLUG_LENGTH = 40


def slug_of(title: str) -> str:
    """A short name for versions: lower-case letters, digits and dashes."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:MAX_SLUG_LENGTH].strip("-")
    return slug or DEFAULT_SLUG


def remember_project(
    services: Services,
    project_id: int,
    label_config: str,
    *,
    title: str = "",
    slug: str | None = None,
    split: SplitFractions | None = None,
    tasks: Iterable[Task] = (),
) -> Project:
    """Return the project as it is, added if it is new, its label config brought up to date.

    Slug, split and fields of a known project stay as they are: versions and splits are built on them.

    Args:
        tasks: some of its tasks, by which fields are left out where the project is new; see `ReadFields`.

    Raises:
        UnreadableLabelConfig: the config is malformed.
        UnsupportedLabelConfig: nothing in it can be served.
    """
    project = services.database.projects.find(project_id)
    plan = plan_of(label_config) if project is None else plan_of(label_config, project.fields)
    fingerprint = plan.config.fingerprint
    config = (label_config, fingerprint)
    if project is not None and _seen_of(project) == config and title in ("", project.title):
        return project
    for notice in plan.notices:
        log.info("project %s: %s", project_id, notice)
    services = services.for_project(project_id)
    if project is None:
        fields = read_fields(services, plan, (task.data for task in tasks))
        for sentence in fields.sentences:
            log.info("project %s: %s", project_id, sentence)
        return services.database.projects.add(
            project_id,
            slug=slug or slug_of(title),
            title=title or f"Project {project_id}",
            label_config=label_config,
            fingerprint=fingerprint,
            split=split or services.options.labels.split,
            fields=fields.names,
        )
    if _seen_of(project) != config:
        for sentence in changes_between(project.label_config, label_config, project.fields):
            log.warning("the label config of project %s has changed: %s", project_id, sentence)
        services.database.projects.set_label_config(project_id, label_config, fingerprint)
    if title and project.title != title:
        services.database.projects.set_title(project_id, title)
    return services.database.projects.get(project_id)


def _seen_of(project: Project) -> tuple[str, str]:
    """Return the label config as last read, with its fingerprint, which may differ in another release."""
    return project.label_config, project.label_config_fingerprint


def read_fields(services: Services, plan: ServingPlan, tasks: Iterable[Mapping[str, Any]]) -> ReadFields:
    """Return what is read of tasks such as these, by their data and the settings."""
    ignored = {name.strip().removeprefix("$") for name in services.options.labels.ignored_fields.split(",")}
    return ReadFields.of(plan.config, [served.control for served in plan.controls], tasks, ignored)


def project_as_it_is(services: Services, project: Project) -> Project:
    """Return the project with its current title and label config in Label Studio, since an event may have been lost.

    Raises:
        LabelConfigError: that config cannot be served.
        StudioError: Label Studio does not answer.
    """
    info = services.studio.project(project.id)
    return remember_project(services, project.id, info.label_config, title=info.title)


def served_project(services: Services, project_id: int, label_config: str) -> Project:
    """Return the project of a request that only wants answers, and store it where the database allows it.

    While the database is away, this process uses what it knows of the project. The next request after that stores it
    again.

    Raises:
        LabelConfigError: the config is malformed, or nothing in it can be served.
        DatabaseUnavailable: the database is away, and this process does not serve the project yet.
    """
    try:
        return remember_project(services, project_id, label_config)
    except DatabaseUnavailable as error:
        project = services.champions.project(project_id)
        if project is None:
            raise
        log.warning("project %s is answered from memory: %s", project_id, error)
        fingerprint = plan_of(label_config).config.fingerprint
        return replace(project, label_config=label_config, label_config_fingerprint=fingerprint)


def announced_version(services: Services, project: Project, champions: Mapping[str, str] | None = None) -> str:
    """Return the version that `/predict` answers with, without loading a model.

    Label Studio predicts again, and stores a duplicate, whenever the two differ.

    Args:
        champions: names by projects' keys, for many projects at a time; None: the project's is looked up.
    """
    loaded = services.champions.loaded(project)
    if loaded is None and champions is not None and project.ref.key in champions:
        return champions[project.ref.key]
    return services.versions.serving(project) if loaded is None else loaded.version
