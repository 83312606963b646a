"""What versions of a busy home answered to held-out rows: labels, entities and drafts, and votes on the latter."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.example import Provenance, Row, Span, Target
from ml_backend.domain.field_texts import readable_text
from ml_backend.domain.model import GateDecision, Method, ModelVersion, PromotionState, ScoredTarget
from ml_backend.domain.project import Project
from ml_backend.domain.row_json import row_to_json, to_line
from ml_backend.domain.snapshot import Snapshot, SnapshotManifest, Split
from ml_backend.labelstudio.plans import plan_of
from ml_backend.snapshots.store import SnapshotFolder, _manifest_to_json, _snapshot_id
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.held_out_answers import keep_answers
from ml_backend.workflows.voting import Ballots

__all__ = ["add_measurements"]

ROWS_OF_OTHERS = 120
DRAFTS = (
    "Dear customer, we are sorry for the trouble. The parcel left our house on Monday and should reach you by Friday.",
    "Thank you for your message! Please open the app, choose Account, then Reset password, and follow the mail.",
    "Hello, a refund was issued today. It takes three to five working days until your bank shows it.",
)


class _Predictor:
    """Answers like people with a chance that is the version's skill, and otherwise at random, always alike."""

    def __init__(
        self, version: str, true: Mapping[str, Mapping[str, Target]], labels: Sequence[str], skill: float
    ) -> None:
        self.version = version
        self._true, self._labels, self._skill = true, labels, skill

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        return [self._answer(text) for text in texts]

    def _answer(self, text: str) -> dict[str, ScoredTarget]:
        draw = random.Random(f"{self.version} {text}")
        found = {}
        for control, true in self._true[text].items():
            is_right = draw.random() < self._skill
            score = min(max(draw.gauss(self._skill + (0.12 if is_right else -0.2), 0.1), 0.05), 0.995)
            target: Target = true
            if not is_right and isinstance(true, str):
                target = draw.choice(self._labels) if self._labels else draw.choice(DRAFTS)
            elif not is_right:
                target = tuple(each for each in true if draw.random() < 0.6)
                if true and draw.random() < 0.5 and isinstance(true[0], Span):
                    target = (*target[:-1], dataclasses.replace(true[0], label=draw.choice(self._labels)))
            found[control] = ScoredTarget(target, score, {})
        return found


def add_measurements(services: Services, projects: Sequence[Project]) -> None:
    """Add them: to all versions of the first project, and three versions to each of the next two.

    Args:
        projects: one of labels, with versions; one of entities; one of drafts.
    """
    first, *others = projects
    versions = services.database.versions.all(first.ref.key)
    newest, champion = versions[0], next(each for each in versions if each.is_champion)
    folder = services.options.snapshots_folder / first.ref.key
    rows = _rows(first, services.database.versions.all(first.ref.key)[0], 1000)
    for version in versions:
        snapshot = Snapshot(folder / version.snapshot_id, SnapshotFolder(folder / version.snapshot_id).manifest())
        predictor = _predictor(first, version, rows)
        for split in (Split.VALIDATION, Split.TEST):
            keep_answers(services, snapshot, split, predictor, rows[: snapshot.manifest.counts[split]])
    full = _write_rows(services, first, newest.snapshot_id, rows)
    for version in (newest, champion):
        keep_answers(services, full, Split.TEST, _predictor(first, version, rows), rows)
    _compare(services, first, full, champion, newest)
    for project in others:
        _add_versions(services, project)


def _add_versions(services: Services, project: Project) -> None:
    made = [_version(project, number) for number in (1, 2, 3)]
    rows = _rows(project, made[0], ROWS_OF_OTHERS)
    snapshot = _write_rows(services, project, "", rows)
    services.database.snapshots.add(project.id, snapshot.id, 0)
    for version in made:
        services.database.versions.add([dataclasses.replace(version, snapshot_id=snapshot.id)])
        keep_answers(services, snapshot, Split.TEST, _predictor(project, version, rows), rows)
    promotions = services.database.promotions
    cold_start = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    about = {"previous": cold_start, "reason": "it is better", "is_forced": False, "actor": "policy"}
    begun = promotions.begin(project.id, made[1].name, **about)
    promotions.advance(promotions.commit(begun, project.ref.key), PromotionState.DONE)
    _compare(services, project, snapshot, made[1], made[2])
    if plan_of(project).has_texts:
        cold = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
        base = dataclasses.replace(made[0], name=cold)
        keep_answers(services, snapshot, Split.TEST, _predictor(project, base, rows), rows, most=20)
        draw = random.Random(1)
        for person in ("ben", "cleo"):
            ballots = Ballots.of(services, project, (2, 3), "", person)
            for at in range(1, 31):
                ballots.vote(at, draw.choice(("left", "right", "right", "equal", "bad")))


def _version(project: Project, number: int) -> ModelVersion:
    name = ModelVersion.name_of(project.ref.key, number)
    about = {"project_key": project.ref.key, "number": number, "method": Method.LORA, "run_id": f"run{number}"}
    about |= {"path": Path("versions") / name, "label_config_fingerprint": project.label_config_fingerprint}
    return ModelVersion(
        name=name, snapshot_id="", created_at=datetime(2026, 5, number, tzinfo=UTC), metrics={"score": 0.6}, **about
    )


def _predictor(project: Project, version: ModelVersion, rows: Sequence[Row]) -> _Predictor:
    labels = [label for served in plan_of(project).labeled for label in served.control.label_values]
    skill = version.metrics.get("accuracy", 0.5 + 0.12 * version.number)
    return _Predictor(version.name, {row.text: row.targets for row in rows}, labels, min(skill, 0.95))


def _compare(
    services: Services, project: Project, snapshot: Snapshot, champion: ModelVersion, challenger: ModelVersion
) -> None:
    names = (champion.name, challenger.name)
    reason = f"{challenger.name} is at least +0.004 better with 97.1% confidence: it is promoted"
    decision = GateDecision(True, False, reason, 900, *names, 0.8, 0.82, 0.02, 0.004, 0.971)
    figures = {**dataclasses.asdict(decision), "interval": (0.003, 0.038)}
    services.database.measurements.add_comparison(project.ref.key, *names, snapshot.id, figures)


def _rows(project: Project, version: ModelVersion, count: int) -> list[Row]:
    """Return rows about the demo's tickets, with what people say of them."""
    (served,) = plan_of(project).controls
    draw, labels, rows = random.Random(project.id), served.control.label_values, []
    field = plan_of(project).fields[0]
    for number, ticket in enumerate(islice(cycle(load_tickets()), count)):
        text = f"{ticket.text} ({number})"
        target: Target = draw.choice(DRAFTS)
        if served.kind.name == "entities":
            starts = sorted(draw.sample(range(0, len(text) - 8, 8), min(3, (len(text) - 8) // 8)))
            target = tuple(Span(start, start + 6, draw.choice(labels)) for start in starts)
        elif labels:
            target = draw.choice(labels)
        rows.append(Row(f"{number}", 50_000 + number, {field: text}, {served.name: target}, (), Provenance((number,))))
    assert all(readable_text(row.text) for row in rows), version
    return rows


def _write_rows(services: Services, project: Project, snapshot_id: str, rows: Sequence[Row]) -> Snapshot:
    """Write a snapshot whose test rows are there; under a new id where none is given."""
    lines = "".join(to_line(row_to_json(row)) for row in rows).encode()
    name = f"{Split.TEST}.jsonl"
    manifest = SnapshotManifest(
        id="",
        project=project.ref,
        label_config=project.label_config,
        label_config_fingerprint=project.label_config_fingerprint,
        review_rule="submitted",
        split=project.split,
        seed=1,
        counts={"train": 8 * len(rows), "validation": len(rows), "test": len(rows), "unresolved": 12},
        label_counts={},
        dropped={},
        files={name: hashlib.sha256(lines).hexdigest()},
        parent=snapshot_id or None,
    )
    manifest = dataclasses.replace(manifest, id=_snapshot_id(manifest))
    folder = services.options.snapshots_folder / project.ref.key / manifest.id
    folder.mkdir(parents=True)
    (folder / SnapshotFolder.MANIFEST).write_text(json.dumps(_manifest_to_json(manifest)), encoding="utf-8")
    (folder / name).write_bytes(lines)
    return Snapshot(folder, manifest)
