"""Say what the change of a label config means for labels that people gave and models that learned from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .label_config import Control, LabelConfig
from .project import SeenConfig
from .readable import listed

__all__ = ["Absence", "absences", "config_changes"]

BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Absence:
    """A period in which nobody was asked about a control; it includes its first moment and not its last."""

    since: datetime
    until: datetime

    def covers(self, moment: datetime) -> bool:
        """True where the moment lies in the period."""
        return self.since <= moment < self.until


def config_changes(before: LabelConfig, after: LabelConfig) -> tuple[str, ...]:
    """Return sentences on what differs for people and models; none where nothing does.

    A control that vanished beside one that came with mostly the same labels counts as renamed; so does a label whose
    place another one has taken. The sentences then say how to keep the old annotations.
    """
    old, new = ({control.name: control for control in config.controls} for config in (before, after))
    renamed = dict(_renamed(old, new))
    pairs = [(old[name], new[name]) for name in old if name in new] + [(old[a], new[b]) for a, b in renamed.items()]
    return (
        *(_renamed_sentence(name, other) for name, other in renamed.items()),
        *(
            f"the control {name!r} is gone: its annotations are left out, and no answer to it is shown any more."
            for name in old
            if name not in new and name not in renamed
        ),
        *(_new_sentence(name) for name in new if name not in old and name not in renamed.values()),
        *(sentence for pair in pairs for sentence in _control_changes(*pair)),
    )


def absences(configs: Sequence[tuple[SeenConfig, Sequence[Control]]]) -> dict[str, tuple[Absence, ...]]:
    """Return the periods in which a control of the last config was missing, for those that were not always there.

    A control that comes back unchanged counts as the same one. It counts as new where its kind or its field changed,
    or where it is asked in cases in which it was not asked before.

    Args:
        configs: the project's configs with their controls, in the order in which they were seen. A config that nobody
            confirmed may be made up, so it removes no control.
    """
    now = configs[-1][1] if configs else ()
    periods = {control.name: tuple(_absences(control, configs)) for control in now}
    return {name: times for name, times in periods.items() if times}


def _absences(control: Control, configs: Sequence[tuple[SeenConfig, Sequence[Control]]]) -> Iterator[Absence]:
    """Yield the time before the first config with the control, and each from a confirmed one without it to the next."""
    gone_at: datetime | None = BEGINNING
    for config, controls in configs:
        if any(each.name == control.name and _was_asked(control, each) for each in controls):
            if gone_at is not None and config is not configs[0][0]:
                yield Absence(gone_at, config.seen_at)
            gone_at = None
        elif gone_at is None and config.is_confirmed:
            gone_at = config.seen_at


def _was_asked(control: Control, before: Control) -> bool:
    """True where an earlier control of this name asked the same question, in every case in which it is asked now."""
    return _nature(control) == _nature(before) and set(before.conditions) <= set(control.conditions)


def _nature(control: Control) -> tuple[str, ...]:
    return (control.tag, control.attributes.get("choice", ""), control.object.tag, control.object.field or "")


def _renamed(old: Mapping[str, Control], new: Mapping[str, Control]) -> Iterator[tuple[str, str]]:
    free = [control for name, control in new.items() if name not in old]
    for name, control in old.items():
        if name in new:
            continue
        labels = set(control.label_values)
        for other in free:
            shared = labels & set(other.label_values)
            if _nature(other) == _nature(control) and 2 * len(shared) > len(labels | set(other.label_values)):
                free.remove(other)
                yield name, other.name
                break


def _renamed_sentence(before: str, after: str) -> str:
    return (
        f"the control {before!r} seems to be called {after!r} now: annotations and versions know it under its old "
        f"name alone, so both are left out; name it {before!r} again to keep them."
    )


def _new_sentence(name: str) -> str:
    return (
        f"the control {name!r} is new: no version answers it before a training on rows that do, and annotations made "
        "before it came say nothing about it."
    )


def _control_changes(before: Control, after: Control) -> Iterator[str]:
    if _nature(before) != _nature(after):
        yield (
            f"the control {after.name!r} was {_described(before)} and is {_described(after)}: annotations are read as "
            "what it is now, and no version answers it before the next training."
        )
    elif not _was_asked(after, before):
        yield (
            f"{after.name!r} is asked where it was not before (visibleWhen): annotations from before that leave it "
            "empty say nothing about it."
        )
    removed = [value for value in before.label_values if value not in after.label_values]
    added = [value for value in after.label_values if value not in before.label_values]
    for old, new in _replaced(before.label_values, after.label_values):
        removed.remove(old)
        added.remove(new)
        yield (
            f"the label {old!r} of {after.name!r} seems to be {new!r} now: annotations with {old!r} are left out, "
            f'and {new!r} is new to every version; to rename what people see and keep both, write value="{new}" '
            f'alias="{old}".'
        )
    if removed:
        yield (
            f"{after.name!r} no longer has {listed(map(repr, removed))}: annotations with such a label are left out, "
            "and it is never suggested."
        )
    if added:
        yield f"{after.name!r} now has {listed(map(repr, added))}, too: {_consequence(after)}"


def _replaced(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of a label and the one that took its place, where there are as many labels as before."""
    if len(before) != len(after):
        return []
    return [
        (old, new)
        for old, new in zip(before, after, strict=True)
        if old != new and old not in after and new not in before
    ]


def _consequence(control: Control) -> str:
    if control.tag == "Choices" and control.attributes.get("choice", "single") != "multiple":
        return "no version gives it before a training on rows that have it."
    return (
        "no version gives it before a training on rows that have it, and annotations made before count as not having "
        "it; label some of those again."
    )


def _described(control: Control) -> str:
    choice = control.attributes.get("choice")
    written = f'<{control.tag} choice="{choice}">' if choice else f"<{control.tag}>"
    return f"{written} about {control.object.written}" if control.object.field else written
