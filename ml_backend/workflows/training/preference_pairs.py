"""Pairs of responses: where a training gets them from, their splits, and the version that goes on with them.

Pairs stand beside the snapshot, in files that are named by their contents; the snapshot's rows tell their splits.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_files import atomic_text
from ...domain.conversation import turns_of
from ...domain.model import ModelVersion
from ...domain.ports import Run
from ...domain.preference import Preference
from ...domain.progress import Progress
from ...domain.project import Project
from ...domain.reasons import ReasonCounts
from ...domain.row_json import to_line
from ...domain.snapshot import Snapshot, Split
from ...errors import ConfigurationError, TrainingError
from ...labelstudio.plans import plan_of
from ...snapshots.leakage import find_leaks
from ...snapshots.reviewed import BuildSettings
from ...snapshots.store import SnapshotFolder
from ...tasks import ServedControl
from ...tasks.preferences.base import PreferenceReader
from ..exporting.row_source import RowSource
from ..jobs.context import JobContext
from ..services import Services

if TYPE_CHECKING:
    from ...learning.rows.data import PreferredResponses
    from ...models.bundle.bundle import Bundle

__all__ = ["PreferencePairs", "preference_pairs"]

FOLDER = "preferences"
LEAST_PAIRS = 20
"""With fewer train pairs nothing is trained."""

Splits = dict[Split, tuple[Preference, ...]]


@dataclass(frozen=True, slots=True)
class PreferencePairs:
    """Pairs of responses in their splits.

    Attributes:
        start: the version that goes on learning from them.
        served: the control that its responses answer.
        path: folder with a file of pairs per split.
        digest: of the pairs and the version.
        notes: sentences on what was left out.
    """

    start: ModelVersion
    served: ServedControl
    splits: Mapping[Split, tuple[Preference, ...]]
    path: Path
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON values, without the pairs."""
        counts = {str(split): len(pairs) for split, pairs in self.splits.items()}
        return {"from": self.start.name, "pairs": counts, "digest": self.digest, "path": str(self.path)}

    def log_to(self, run: Run, name: str) -> None:
        """Record them as inputs of a run."""
        for split in Split:
            if self.splits[split]:
                run.log_dataset(_file(self.path, split), f"{name}-{split}", self.digest, "preferences")

    def bundle(self) -> "Bundle":
        """Return the bundle of the version that goes on.

        Raises:
            BundleError: it cannot be read.
        """
        from ...models.bundle.bundle import read_bundle

        return read_bundle(self.start.path)

    @property
    def base_model(self) -> str:
        """The base model of the version that goes on."""
        decoders = {part.control: part.decoder for part in self.bundle().manifest.parts}
        return decoders[self.served.name].writer

    def for_training(self) -> "PreferredResponses":
        """Return what a training learns and is scored on.

        Raises:
            TrainingError: the version writes no responses to the control.
            BundleError: it cannot be read.
        """
        from ...learning.rows.data import PreferredResponses

        bundle = self.bundle()
        parts = {part.control: position for position, part in enumerate(bundle.manifest.parts)}
        if self.served.name not in parts:
            raise TrainingError(
                f"{self.start.name} answers {', '.join(parts)}, and pairs of responses to {self.served.name!r} are to "
                "be learned; name a version that writes these: --from VERSION"
            )
        folder = bundle.part_folder(parts[self.served.name])
        return PreferredResponses(folder, self.splits[Split.TRAIN], self.splits[Split.VALIDATION], self.digest)


def preference_pairs(
    services: Services, snapshot: Snapshot, project: Project | None, *, start: str, folder: str, context: JobContext
) -> PreferencePairs:
    """Return the pairs to learn from, the same at every attempt at a job.

    Pairs of a project's tasks are in the split that the snapshot's rows of these tasks are in. Train pairs whose prompt
    repeats a held-out one, or nearly so, are left out.

    Args:
        start: the version that goes on; "": the champion.
        folder: with the files `train.jsonl`, `validation.jsonl` and `test.jsonl`, each if it is there; "": none.

    Raises:
        ConfigurationError: the folder holds something else.
        ModelNotFound: there is no such version.
        TrainingError: no version writes responses yet, or the train pairs are too few.
        StudioError: the tasks cannot be read.
    """
    served = _written(snapshot)
    earlier: Mapping[str, Any] | None = context.checkpoint.get("preferences")
    version = _start(services, snapshot, str(earlier["from"]) if earlier else start)
    if earlier is not None and (path := Path(earlier["path"])).is_dir():
        return PreferencePairs(version, served, _read_folder(path), path, earlier["digest"], tuple(earlier["notes"]))
    if not folder and project is None:
        raise TrainingError(
            "a snapshot holds no pairs of responses; give --preferences DIR, or train a project, whose drafts Label "
            "Studio holds"
        )
    context.report(Progress(0.0, "preferences", "reading pairs of responses"))
    left_out: Counter[str] = Counter()
    found: dict[Split, list[Preference]] = {split: [] for split in Split}
    origins = [_read_folder(Path(folder))] if folder else []
    origins += [_of_project(services, project, snapshot, left_out)] if project is not None else []
    for splits in origins:
        for split, own in splits.items():
            found[split] += own
    pairs = _without_leaks(found, snapshot, served, left_out)
    notes = [f"{sum(left_out.values())} rows and pairs were not learned from: {_counted(left_out)}"] if left_out else []
    if len(pairs[Split.TRAIN]) < LEAST_PAIRS:
        raise TrainingError(
            f"{len(pairs[Split.TRAIN])} pairs of responses to train on found; wanted at least {LEAST_PAIRS}: mend more "
            f"drafts, or give more with --preferences DIR ({notes[0] if notes else 'nothing was left out'})"
        )
    kept = _keep(services, snapshot, version, served, pairs, notes=tuple(notes))
    context.keep(preferences={**kept.facts, "notes": notes})
    return kept


def _written(snapshot: Snapshot) -> ServedControl:
    written = [each for each in plan_of(snapshot.manifest).controls if not each.kind.has_labels]
    if len(written) != 1:
        names = ", ".join(each.name for each in written) or "none"
        raise TrainingError(f"method dpo tunes the model of one text area, and the label config has {names}")
    return written[0]


def _start(services: Services, snapshot: Snapshot, name: str) -> ModelVersion:
    if name:
        return services.versions.get(name)
    key = snapshot.manifest.project.key
    champion = services.versions.champion(key)
    if champion is None:
        raise TrainingError(
            f"no version of {key} serves yet, and method dpo continues one that experts' responses have tuned: "
            "train it with method lora first, or name one: --from VERSION"
        )
    return services.versions.at_hand(champion)


def _of_project(services: Services, project: Project, snapshot: Snapshot, left_out: Counter[str]) -> Splits:
    """Return the pairs of a project's tasks as Label Studio holds them now."""
    plan, folder = plan_of(snapshot.manifest), SnapshotFolder(snapshot.path)
    split_of = {row.task_id: split for split in Split for row in folder.rows(split)}
    rows = [plan.row(row) for row in RowSource.of_project(services, project).rows(ReasonCounts())]
    found: dict[Split, list[Preference]] = defaultdict(list)
    for served in plan.controls:
        reader = PreferenceReader.of(served.control, plan.texts, lambda reason, _: left_out.update([reason]))
        for pair in reader.pairs(rows) if reader is not None else ():
            splits = {split_of.get(task_id) for task_id in pair.task_ids}
            split = splits.pop()
            if split is None or splits - {split}:
                left_out["tasks that are in different splits, or in none"] += 1
            else:
                found[split].append(pair)
    return {split: tuple(pairs) for split, pairs in found.items()}


def _without_leaks(
    found: Mapping[Split, Sequence[Preference]], snapshot: Snapshot, served: ServedControl, left_out: Counter[str]
) -> Splits:
    """Return the pairs that have a prompt, each once, without train pairs about held-out prompts."""
    splits: Splits = {}
    for split in Split:
        asked = [pair for pair in found[split] if pair.prompt.strip()]
        once = {(pair.prompt, pair.chosen, pair.rejected): pair for pair in asked}
        splits[split] = tuple(once.values())
        left_out["a pair without a prompt"] += len(found[split]) - len(asked)
        left_out["a repeated pair"] += len(asked) - len(once)
    held_out = [pair.prompt for split in Split if split.is_held_out for pair in splits[split]]
    folder = SnapshotFolder(snapshot.path)
    held_out += [
        served.control.prompt_in(row.text) for split in Split if split.is_held_out for row in folder.rows(split)
    ]
    train = splits[Split.TRAIN]
    leaks = find_leaks([pair.prompt for pair in train], held_out, BuildSettings().near_duplicate_threshold)
    splits[Split.TRAIN] = tuple(pair for position, pair in enumerate(train) if position not in leaks)
    left_out["a prompt that is held out"] += len(leaks)
    left_out += Counter()  # without those that are 0
    return splits


def _keep(
    services: Services,
    snapshot: Snapshot,
    version: ModelVersion,
    served: ServedControl,
    splits: Splits,
    *,
    notes: tuple[str, ...],
) -> PreferencePairs:
    is_conversation = any(len(turns_of(pair.prompt)) > 1 for pairs in splits.values() for pair in pairs)
    lines = {
        split: [to_line(pair.to_json(is_conversation=is_conversation)) for pair in pairs]
        for split, pairs in splits.items()
    }
    content = json.dumps([version.name, {str(split): each for split, each in lines.items()}])
    digest = hashlib.sha256(content.encode()).hexdigest()
    path = services.options.snapshots_folder / snapshot.manifest.project.key / FOLDER / digest[:16]
    path.mkdir(parents=True, exist_ok=True)
    for split, each in lines.items():
        with atomic_text(_file(path, split)) as file:
            file.writelines(each)
    return PreferencePairs(version, served, splits, path, digest, notes)


def _read_folder(folder: Path) -> Splits:
    files = {split: _file(folder, split) for split in Split}
    if not files[Split.TRAIN].is_file():
        raise ConfigurationError(
            f"{folder} holds no {files[Split.TRAIN].name}; wanted a folder that `labelloop export --format preferences "
            "--split ...` wrote, or files of the same form"
        )
    return {split: tuple(_read(file)) if file.is_file() else () for split, file in files.items()}


def _read(file: Path) -> Iterator[Preference]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield Preference.from_json(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise ConfigurationError(f"{file}, line {number}: {error}") from error


def _file(folder: Path, split: Split) -> Path:
    return folder / f"{split}.jsonl"


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in _most(reasons.items()))


def _most(items: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(items, key=lambda item: (-item[1], item[0]))
