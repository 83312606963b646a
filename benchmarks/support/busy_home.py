"""A home folder of a backend that has been used for long: projects, events, versions, jobs, and an audit log."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

from benchmarks.support.busy_loop import add_loop
from ml_backend.domain.access import AuditEntry, Role, User
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy
from ml_backend.domain.flag import Flag
from ml_backend.domain.job import JobState
from ml_backend.domain.model import GateDecision, Method, ModelVersion, PromotionState
from ml_backend.domain.project import Project
from ml_backend.domain.project_setting import SettingOrigin
from ml_backend.domain.quality import IssueKind
from ml_backend.domain.reasons import Reason, ReasonCount
from ml_backend.domain.row_json import row_to_json, to_line
from ml_backend.domain.selection import SelectedTask
from ml_backend.domain.snapshot import SnapshotManifest, SplitFractions
from ml_backend.jobs.launcher import job_folder, log_path
from ml_backend.jobs.loss_file import LossFile
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.snapshots.store import SnapshotFolder, _manifest_to_json, _snapshot_id
from ml_backend.storage.database import open_database
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.projects import slug_of

__all__ = ["Amounts", "BusyHome"]

TITLES = ("Support tickets", "Invoices", "Bank messages", "Product reviews", "Bug reports")
LABELS = ("Billing", "Shipping", "Returns")
PEOPLE = ("ada@example.org", "ben", "expert")
KINDS = ("train", "audit", "prelabel", "select", "promote")
FITS_AT_ONCE = 10_000
TRIGGERS = ("policy", "label-studio", "page", "training")
OUTCOMES = [PrelabelOutcome.ACCEPTED] * 6 + [PrelabelOutcome.CHANGED] * 2 + [PrelabelOutcome.NONE] * 2
BEGINNING = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Amounts:
    """How much there is, in all projects together; most of it belongs to the first one."""

    projects: int = 20
    events: int = 10_000
    tasks: int = 100_000
    versions: int = 200
    jobs: int = 500
    actions: int = 2_000
    setting_changes: int = 1_000
    users: int = 40
    row_files: int = 2
    """So many of the newest snapshots have their rows; the others have a manifest alone."""


class BusyHome:
    """Fills a new home folder and a new database; the clock goes on as things happen.

    Args:
        database_url: "": SQLite, in the home folder.
        titles: of the projects, in turn.
        labels: of all projects.
        text: what every row begins with.
    """

    def __init__(
        self,
        home: Path,
        amounts: Amounts,
        *,
        seed: int = 1,
        database_url: str = "",
        titles: Sequence[str] = TITLES,
        labels: Sequence[str] = LABELS,
        text: str = "Where is my order",
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home, self._amounts, self._draw, self._now = home, amounts, random.Random(seed), BEGINNING
        self._titles, self._labels, self._text = titles, labels, text
        self._database = open_database(database_url or f"sqlite:///{home / 'labelloop.db'}", lambda: self._now)

    def fill(self) -> User:
        """Fill it, and return an admin, who has not signed in yet."""
        choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in self._labels)
        config = (
            '<View><Text name="text" value="$text"/><Choices name="category" toName="text" choice="single">'
            f"{choices}</Choices></View>"
        )
        kinds = {2: "entities", 3: "generation"}
        configs = {number: template_path(kind).read_text(encoding="utf-8") for number, kind in kinds.items()}
        projects = []
        for number in range(1, self._amounts.projects + 1):
            title = self._titles[(number - 1) % len(self._titles)]
            title += f" {number}" if number > len(self._titles) else ""
            xml = configs.get(number, config)
            made = {"title": title, "label_config": xml, "fingerprint": parse_label_config(xml).fingerprint}
            new = self._database.projects.add(number, slug=slug_of(title), split=SplitFractions(), **made)
            projects.append(new)
        first = projects[0]
        self._add_versions(first)
        self._add_events(projects)
        self._add_lists(first)
        self._add_jobs(projects)
        add_loop(self._database, self._home, first, self._draw)
        self._add_forecast(first)
        for number in range(self._amounts.actions):
            self._now += timedelta(minutes=7)
            subject = f"project {number % self._amounts.projects + 1}"
            self._database.audit_log.add(AuditEntry("anna", "session", "train_project", subject, "10.0.0.7"))
        self._add_settings(projects)
        for number in range(self._amounts.users):
            self._database.users.add(f"user.{number}@example.com", list(Role)[number % 3])
        admin = self._database.users.add("anna", Role.ADMIN)
        assert admin is not None
        self._database.close()
        return admin

    def _add_settings(self, projects: Sequence[Project]) -> None:
        for number in range(self._amounts.setting_changes):
            self._now += timedelta(minutes=3)
            name, value = (("retrain_after", str(50 + number)), ("currency", f"C{number}"), ("select_mixed", "True"))[
                number % 3
            ]
            origin = SettingOrigin.STUDIO if number % 5 == 0 else SettingOrigin.PROJECT
            project = projects[number % len(projects) if number % 4 == 0 else 0]
            self._database.settings.put(project.id, name, value, origin=origin, by="anna")

    def _add_versions(self, project: Project) -> None:
        database, key = self._database, project.ref.key
        serving = ModelVersion.cold_start_name(key, project.label_config_fingerprint)
        parent = None
        for number in range(1, self._amounts.versions + 1):
            self._now += timedelta(hours=9)
            labels = 60 + 45 * number
            score = 0.88 - 0.5 / (1 + number / 6) + self._draw.uniform(-0.012, 0.012)
            has_rows = number > self._amounts.versions - self._amounts.row_files
            snapshot_id = parent = self._write_snapshot(
                project, labels, parent if has_rows else None, has_rows=has_rows
            )
            database.snapshots.add(project.id, snapshot_id, 0)
            name = ModelVersion.name_of(key, number)
            version = ModelVersion(
                name=name,
                number=number,
                project_key=key,
                method=Method.LORA if number % 3 else Method.REGRESSION,
                snapshot_id=snapshot_id,
                path=Path("versions") / name,
                run_id=f"run{number}",
                label_config_fingerprint=project.label_config_fingerprint,
                created_at=self._now,
                metrics={"macro_f1": score, "score": score, "accuracy": score + 0.01, "rows": float(labels // 10)},
            )
            database.versions.add([version])
            is_better, rows, before = number % 4 == 1, labels // 10, score - 0.02
            verdict = "is at least +0.004 with 97.1% confidence: it is promoted" if is_better else "is too small"
            reason = (
                f"{name} has macro-F1 {score:.3f}, {serving} {before:.3f} on {rows} test rows; the difference of "
                f"+0.020 {verdict}"
            )
            decision = GateDecision(
                is_better, False, reason, rows, serving, name, before, score, 0.02, 0.004, 0.971, 0.0, 0.012
            )
            database.gates.add(key, snapshot_id, decision)
            if is_better:
                about = {"previous": serving, "reason": reason, "is_forced": False, "actor": "policy"}
                begun = database.promotions.begin(project.id, name, **about)
                database.promotions.advance(database.promotions.commit(begun, key), PromotionState.DONE)
                serving = name

    def _write_snapshot(self, project: Project, labels: int, parent: str | None, *, has_rows: bool) -> str:
        """Write a snapshot's manifest, and its rows if asked, and return the snapshot's id."""
        held_out = labels // 10
        rows = {"train": labels - 2 * held_out, "validation": held_out, "test": held_out}
        first, contents, counts = 0, dict[str, str](), dict[str, dict[str, dict[str, int]]]()
        for split, count in rows.items():
            answers = [
                self._labels[(n + (n % 41 == labels % 41)) % len(self._labels)] for n in range(first, first + count)
            ]
            counts[split] = {"category": {label: answers.count(label) for label in self._labels}}
            if has_rows:
                numbered = enumerate(answers, first + 1)
                contents[f"{split}.jsonl"] = "".join(to_line(row_to_json(self._row(n, label))) for n, label in numbered)
            first += count
        manifest = SnapshotManifest(
            id="",
            project=project.ref,
            label_config=project.label_config,
            label_config_fingerprint=project.label_config_fingerprint,
            review_rule="submitted",
            split=project.split,
            seed=1,
            counts={**rows, "unresolved": 12, "dropped": 7},
            label_counts=counts,
            dropped={"duplicate": 7},
            files={name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()},
            parent=parent,
            created_at=self._now.isoformat(),
            reasons=(ReasonCount(Reason.DUPLICATE, "", 7, 7, tuple(range(1, 8))),),
        )
        manifest = dataclasses.replace(manifest, id=_snapshot_id(manifest))
        folder = self._home / "snapshots" / project.ref.key / manifest.id
        folder.mkdir(parents=True)
        (folder / SnapshotFolder.MANIFEST).write_text(json.dumps(_manifest_to_json(manifest)), encoding="utf-8")
        for name, text in contents.items():
            (folder / name).write_bytes(text.encode())
        return manifest.id

    def _row(self, number: int, label: str) -> Row:
        text, target = f"{self._text} {number}, and when will it come?", {"category": label}
        labels = (AnnotatorLabel("1", target, blind=False),)
        return Row(f"task-{number}", number, {"text": text}, target, labels, Provenance((number,)))

    def _add_events(self, projects: list[Project]) -> None:
        database, first = self._database, projects[0]
        events = []
        serving = next(each.name for each in database.versions.all(first.ref.key) if each.is_champion)
        for number in range(1, self._amounts.events + 1):
            project = first if number % 2 else projects[number % len(projects)]
            at = BEGINNING + timedelta(minutes=20 * number)
            events.append(
                AnnotationEvent(
                    project.id,
                    EventAction.CREATED,
                    number,
                    number,
                    self._draw.choice(PEOPLE),
                    lead_time_s=self._draw.lognormvariate(2.3, 0.5),
                    prelabel=self._draw.choice(OUTCOMES),
                    model_version=serving,
                    changed_at=at.isoformat(),
                )
            )
        database.events.add(events)
        newest = database.snapshots.last(first.id)
        assert newest is not None
        database.snapshots.add(first.id, newest.id, database.events.last_id(first.id) - 60)
        for start in range(1, self._amounts.tasks + 1, FITS_AT_ONCE):
            self._now += timedelta(days=3)
            tasks = range(start, min(start + FITS_AT_ONCE, self._amounts.tasks + 1))
            database.fits.put(first.id, "v", {task: self._draw.random() for task in tasks})

    def _add_lists(self, project: Project) -> None:
        tasks = [
            SelectedTask(20_000 + number, "margin_diverse", "close call", 1 - number / 400, SelectedBy.ACTIVE)
            for number in range(300)
        ]
        self._database.selections.put(project.id, tasks)
        for number in range(120):
            given, suggested = self._draw.sample(self._labels, 2)
            flag = Flag(
                project_id=project.id,
                task_id=30_000 + number,
                kind=IssueKind.LABEL_ERROR,
                given=given,
                suggested=suggested,
                quality=self._draw.random() / 4,
                is_held_out=False,
                is_decoy=False,
                snapshot_id="0123456789abcdef",
                probabilities_from="folds",
                labeled_at="",
                flagged_at=BEGINNING,
            )
            self._database.flags.put(flag)

    def _add_forecast(self, project: Project) -> None:
        points = [{"labels": n, "low": s - 0.04, "score": s, "high": s + 0.04} for n, s in ((900, 0.7), (9000, 0.85))]
        curve = {
            "control": "category",
            "metric": "macro-F1",
            "labels_now": 9000,
            "lead": [0.0, 0.0, 0.0],
            "points": points,
            "band": [*points, {"labels": 20_000, "low": 0.85, "score": 0.88, "high": 0.91}],
            "forecast": {"target": 0.9, "labels": [9_000, 16_000, None], "hours": [30.0, 53.0, None], "never": 0.2},
            "forecast_words": "macro-F1 .90 costs 9,000 more labels or more, most likely 16,000: 53.0 expert hours.",
            "next_words": "The next 100 labels buy 0.1 points of macro-F1 (0.0 to 0.2).",
            "notes": [],
        }
        job, _ = self._database.jobs.request("report", project.id, {}, dedupe_key="report", lane="report", claim=True)
        result = {"made_at": self._now.isoformat(), "rows": 9000, "curves": [curve], "without_curve": []}
        self._database.jobs.finish(job, JobState.SUCCEEDED, result=result)

    def _add_jobs(self, projects: list[Project]) -> None:
        jobs, count = self._database.jobs, self._amounts.jobs
        for number in range(1, count + 1):
            project = projects[0] if number % 3 else projects[number % len(projects)]
            trigger, kind = self._draw.choice(TRIGGERS), "train" if number == count - 1 else KINDS[number % len(KINDS)]
            params = {"trigger": trigger, "actor": "anna" if trigger == "page" else ""}
            own = {"dedupe_key": str(number), "lane": str(number), "claim": True}
            job, _ = jobs.request(kind, project.id, params, **own)
            self._now += timedelta(seconds=self._draw.randint(20, 400))
            if number == count - 1:
                jobs.progress(job, 0.62, "training", "category: epoch 3 of 5, about 80 s left")
            elif number % 17 == 0:
                jobs.finish(job, JobState.FAILED, error="Label Studio at http://localhost:8080 does not answer")
            else:
                jobs.progress(job, 1.0, "done", "brought 69 of 69 tasks up to date")
                jobs.finish(job, JobState.SUCCEEDED)
            if kind == "train":
                losses = LossFile(job_folder(self._home, job.id))
                for step in range(300):
                    losses.add(0.62 * step / 300, 2.1 / (1 + step / 40) + self._draw.uniform(0, 0.12))
            log = log_path(self._home, job.id)
            log.parent.mkdir(parents=True, exist_ok=True)
            at = f"{self._now:%Y-%m-%d %H:%M}"
            lines = (f"{at}:{n % 60:02} INFO ml_backend.learning: step {n} of 320" for n in range(1, 201))
            log.write_text("\n".join(lines) + "\n")
