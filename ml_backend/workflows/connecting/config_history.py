"""Compare the label configs that a project has had: for its rows, and for the version that serves it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

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


def changes_between(before: str, after: str, fields: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return what differs for people and models between two label configs, in sentences.

    They are about the controls that are served, and about the texts that are read.

    Args:
        fields: as a project fixes them; None: all are read.

    Raises:
        LabelConfigError: the later one cannot be served.
    """
    now = plan_of(after, fields)
    try:
        then = plan_of(before, fields)
    except LabelConfigError:
        return (UNKNOWN,)
    changes = config_changes(_served(then), _served(now))
    if then.fields == now.fields or len(then.fields) == len(now.fields) == 1:
        return changes
    moved = (
        f"what is read of a task was {listed(map(repr, then.fields))} and is {listed(map(repr, now.fields))}: "
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
    return changes_between(trained_for, project.label_config, project.fields) if trained_for else (UNKNOWN,)


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
