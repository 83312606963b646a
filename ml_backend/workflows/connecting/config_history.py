"""Compare the label configs that a project has had: for its rows, and for the version that serves it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ...domain.config_changes import Absence, absences, config_changes
from ...domain.label_config import Control, LabelConfig
from ...domain.project import Project, SeenConfig
from ...domain.readable import listed
from ...errors import LabelConfigError
from ...labelstudio.plans import plan_of
from ...tasks import ServingPlan
from ..services import Services

__all__ = ["changes_between", "changes_since_training", "control_absences"]

UNKNOWN = "what serves was trained for other controls or labels than the label config has now."


def changes_between(project: Project, label_config: str) -> tuple[str, ...]:
    """Return what differs for people and models between a project's label config and a later one, in sentences.

    They are about the controls that are served, and about the texts that are read.

    Raises:
        LabelConfigError: the later one cannot be served.
    """
    after = plan_of(label_config, project.fields)
    try:
        before = plan_of(project)
    except LabelConfigError:
        return (UNKNOWN,)
    changes = config_changes(_served(before), _served(after))
    if before.fields == after.fields or len(before.fields) == len(after.fields) == 1:
        return changes
    moved = (
        f"what is read of a task was {listed(map(repr, before.fields))} and is {listed(map(repr, after.fields))}: "
        "tasks may belong to another split by it, so show again what was shown."
    )
    return (*changes, moved)


def changes_since_training(services: Services, project: Project) -> tuple[str, ...]:
    """Return what has changed in the label config since the serving version was trained, from the database alone.

    Nothing for a cold start, which follows the config.
    """
    champion = services.versions.champion(project.ref.key)
    if champion is None or champion.label_config_fingerprint == project.label_config_fingerprint:
        return ()
    configs = {each.fingerprint: each.label_config for each in services.database.projects.label_configs(project.id)}
    trained_for = configs.get(champion.label_config_fingerprint)
    return (
        changes_between(replace(project, label_config=trained_for), project.label_config) if trained_for else (UNKNOWN,)
    )


def control_absences(services: Services, project: Project) -> Mapping[str, Sequence[Absence]]:
    """Return the periods in which a served control was missing from the label config, for those not always there.

    Label Studio stores nothing for a control that was left empty, so only the time distinguishes an annotation made
    while the control did not exist from one that says that nothing applies.
    """
    return absences([pair for each in services.database.projects.label_configs(project.id) for pair in _seen(each)])


def _seen(config: SeenConfig) -> Iterator[tuple[SeenConfig, Sequence[Control]]]:
    """Yield a former config with its controls; nothing where it can no longer be read, as it then proves nothing."""
    with suppress(LabelConfigError):
        yield config, _served(plan_of(config.label_config)).controls


def _served(plan: ServingPlan) -> LabelConfig:
    """Return the label config with its served controls alone."""
    return LabelConfig(plan.config.xml, tuple(each.control for each in plan.controls))
