"""What the tabs of a project show besides: a report, a plan and certificates, blind answers, flags and sources."""

import dataclasses
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_backend.domain.acceptance import Acceptance, KeptCertificate
from ml_backend.domain.drift import BlindAnswer
from ml_backend.domain.flag import FlagOutcome
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.storage.database import Database
from ml_backend.workflows.jobs.kinds.plan_acceptance import PlanAcceptanceJob

__all__ = ["add_loop"]

LABELS = ("Billing", "Shipping", "Returns")
BLIND_ANSWERS, ACCEPTED, AUDITS, DECIDED, DISPUTES = 2_000, 3_000, 400, 80, 140
DIFFERENCES, LOW = 3_000, "8 of its 31 votes on train rows are right, surely less than 50%"


def add_loop(database: Database, home: Path, project: Project, draw: random.Random) -> None:
    """Add all of it to the project that has most."""
    serving = next(each for each in database.versions.all(project.ref.key) if each.is_champion)
    newest = database.snapshots.last(project.id)
    assert newest is not None
    _add_report(home / "reports" / project.ref.key, newest.id)
    _add_audit(home / "audits" / project.ref.key / newest.id)
    _add_decisions(database, project, draw)
    _add_sources(database, project, home / "source-checks" / f"{project.ref.key}.json", draw)
    _add_plan(database, project, serving.name, newest.id)
    _add_certificates(database, project, serving.name, newest.id, draw)
    began = datetime(2026, 4, 6, 9, tzinfo=UTC)
    answers = [
        BlindAnswer(project.id, serving.name, 50_000 + number, number < 300, (), draw.choice(LABELS), draw.random())
        for number in range(BLIND_ANSWERS)
    ]
    database.blind_answers.add(answers)
    database.blind_answers.judge(
        [
            dataclasses.replace(
                each,
                answered_at=(began + timedelta(hours=number // 2)).isoformat(),
                is_wrong=draw.random() < 0.09,
            )
            for number, each in enumerate(answers[: BLIND_ANSWERS // 2])
        ]
    )


def _add_decisions(database: Database, project: Project, draw: random.Random) -> None:
    """Let people decide on most flags, and flag as many again."""
    for flag in database.flags.open(project.id)[:DECIDED]:
        right = FlagOutcome.CHANGED_TO_SUGGESTION if draw.random() < 0.7 else FlagOutcome.CONFIRMED
        database.flags.close(flag, right, flag.suggested if right.was_right else flag.given)


def _add_sources(database: Database, project: Project, file: Path, draw: random.Random) -> None:
    names = [f"{label.lower()} reason {number}" for label in LABELS for number in range(30)]
    common = {"control": "category", "kind": "rationale", "reason": "They name a bill.", "by": "Ada Reed"}
    common |= {"place": "reasons.py:4", "conflicts": 0.04, "alone": 210, "alone_right": 31, "alone_labeled": 33}
    common |= {"rows": 48, "train_rows": 310, "costs": None, "overlaps": 0.2, "when": "2026-11-30"}
    sources = [
        common
        | {"name": name, "label": LABELS[number % 3], "coverage": draw.random() / 10, "precision": [0.81, 0.92, 0.98]}
        | {"train_precision": [0.9, 0.94, 0.96], "is_on": number % 9 > 0, "off_because": LOW * (number % 9 == 0)}
        | {"measured_off": LOW if number % 9 == 0 else None}
        for number, name in enumerate(names)
    ]
    differences = [
        {"task_id": 80_000 + number, "control": "category", "source": draw.choice(names)}
        | {"says": "Billing", "given": "Returns", "text": f"My invoice number {number} came back with the parcel. " * 5}
        for number in range(DIFFERENCES)
    ]
    example = {"task_id": 9, "annotator": "ada", "words": "They ask for their money.", "evidence": [], "fires": []}
    group = {"control": "category", "label": "Billing", "instead_of": "Returns", "confused": 12, "reasons": 14}
    group |= {"covered": 3, "examples": [example | {"text": "Money back!", "url": None}] * 6}
    checked = {"sources": sources, "differences": differences, "faults": [], "texts": 97_000, "labeled": 9060}
    checked |= {"floor": 0.5, "notes": ["no validation row is blind"], "worklist": {"groups": [group] * 20}}
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(checked), encoding="utf-8")
    database.source_switches.put(project.id, names[1], is_on=False, actor="anna")


def _add_audit(folder: Path) -> None:
    answers = [{"answer": "Billing", "annotators": 2}, {"answer": "Returns", "annotators": 1}]
    dispute = {"is_settled": False, "control": "category", "answers": answers, "consensus": "Billing", "quality": 0.6}
    audit = {
        "snapshot_id": folder.name,
        "rows": 9060,
        "health": 0.96,
        "probabilities_from": "logistic regression on frozen features of all-MiniLM-L6-v2, 10 folds",
        "classes": [{"label": label, "rows": 3000, "suspects": 40, "missed": 12, "control": "c"} for label in LABELS],
        "annotators": [{"annotator": "expert", "rows": 9060, "quality": 0.97, "agreement": 0.9, "control": "category"}],
        "disagreements": [{**dispute, "task_id": 70_000 + number} for number in range(DISPUTES)],
        "issues": [{"task_id": number, "issue": "label_error"} for number in range(1000)],
        "warnings": [],
    }
    folder.mkdir(parents=True)
    (folder / "audit.json").write_text(json.dumps(audit), encoding="utf-8")


def _add_plan(database: Database, project: Project, version: str, snapshot_id: str) -> None:
    forecasts = []
    for limit in PlanAcceptanceJob.LIMITS:
        coverage = round(min(0.94, 0.18 + 0.9 * (limit / 0.2) ** 0.35), 3)
        judged = round(900 * coverage)
        forecasts.append(
            {
                "limit": limit,
                "missing_rows": None if limit < 0.008 else max(0, round(3.2 / limit / coverage) - 420),
                "rows_needed": round(3.4 / limit),
                "coverage": coverage,
                "tasks": round(88_000 * coverage),
                "judged": judged,
                "wrong": round(judged * limit * 0.6),
            }
        )
    plan = {
        "version": version,
        "snapshot_id": snapshot_id,
        "validation_rows": 900,
        "test_rows": 912,
        "left_out": 7,
        "spent": 0.0,
        "next_share": 0.0325,
        "unlabeled": 88_000,
        "forecasts": forecasts,
        "budget": 0.05,
        "trigger": "page",
    }
    own = {"dedupe_key": "plan", "lane": "plan", "claim": True}
    job, _ = database.jobs.request(PlanAcceptanceJob.name, project.id, {"trigger": "page", "actor": "anna"}, **own)
    database.jobs.finish(job, JobState.SUCCEEDED, result=plan)


def _add_certificates(
    database: Database, project: Project, version: str, snapshot_id: str, draw: random.Random
) -> None:
    about = {"id": 0, "project_id": project.id, "fingerprint": project.label_config_fingerprint, "delta": 0.0325}
    about |= {"snapshot_id": snapshot_id, "audit_share": 0.05, "created_at": datetime.now(UTC)}
    facts: tuple[dict[str, Any], ...] = (
        {"version": f"{version}-before", "threshold": 0.97, "limit": 0.02, "rows": 420, "loss": 0.007, "share": 0.5},
        {"version": version, "threshold": 0.93, "limit": 0.05, "rows": 610, "loss": 0.018, "share": 0.71},
    )
    for each in facts:
        kept = database.certificates.add(KeptCertificate(**{**about, **each}))
    covered = [
        Acceptance(project.id, kept.id, 60_000 + number, version, (), 0.95, number < AUDITS)
        for number in range(ACCEPTED)
    ]
    database.acceptances.intend(covered)
    database.acceptances.settle(kept.id, {each.task_id: each.task_id for each in covered if not each.is_audit})
    for number, audit in enumerate(covered[: AUDITS // 2]):
        at = f"2026-05-01T{number // 60:02}:{number % 60:02}:00Z"
        database.acceptances.answer(audit, at, is_wrong=draw.random() < 0.02)


def _add_report(folder: Path, snapshot_id: str) -> None:
    effect = {"blind_mean": 14.2, "difference": -5.1, "low": -6.4, "high": -3.9, "shown": 3104, "blind": 612}
    effect |= {"left_out": 0}
    pulled = {**effect, "blind_mean": 0.861, "difference": 0.031, "low": 0.008, "high": 0.054}
    triple = [9.1, 9.6, 10.2]
    rounds = [
        {
            "name": f"support-tickets-1-v{number}",
            "labels": 60 + 45 * number,
            "human_s": 1200.0 + 300 * number,
            "saved_s": 400.0 + 90 * number,
            "machine_s": 80.0 + 4 * number,
            "macro_f1": (score := 0.88 - 0.4 / number),
            "low": score - 0.03,
            "high": score + 0.03,
            "learned_from": "labels",
        }
        for number in range(1, 13)
    ]
    points = [
        {"labels": 120 * size, "low": (score := 0.9 - 0.5 / size) - 0.02, "score": score, "high": score + 0.02}
        for size in (1, 2, 4, 8, 16, 32, 64)
    ]
    control = {
        "control": "category",
        "metric": "macro-F1",
        "points": points,
        "forecast": {
            "target": 0.95,
            "labels": [310, 360, None],
            "hours": [0.8, 1.0, None],
            "price": [41.0, 48.0, None],
            "never": 0.1,
        },
        "forecast_words": "macro-F1 .95 costs 310 more labels or more, most likely 360: 1.0 expert hours, 48 EUR; "
        "how many at most is open.",
        "next_words": "The next 100 labels buy 0.4 points of macro-F1 (0.1 to 0.9) for 0.3 expert hours, 13 EUR.",
    }
    ways = [
        {"way": way, "labels": labels, "human_s": labels * seconds, "seconds_per_label": triple}
        for way, labels, seconds in (("with pre-label", 6204, 9.6), ("blind", 1210, 14.2), ("from a flag", 82, 21.0))
    ]
    report = {
        "snapshot_id": snapshot_id,
        "rows": 9060,
        "blind_rows": 1812,
        "currency": "EUR",
        "has_prices": True,
        "costs": {"labels": 9060, "human_s": 104_400.0, "price": 1392.0, "by_way": ways},
        "prelabels": {
            "seconds": effect,
            "agreement": pulled,
            "by_label": [{"label": label, "seconds": effect, "agreement": pulled} for label in LABELS],
            "is_reweighted": True,
            "notes": ["212 older labels were left out"],
        },
        "annotators": [
            {"annotator": "expert", "labels": 9060, "human_s": 1.0, "seconds_per_label": triple}
            | {"shared": 412, "agreement": 0.91}
        ],
        "rounds": rounds,
        "controls": [control],
        "without_curve": [],
        "unfit": {
            "waiting": 612,
            "groups": [
                {"words": ["crypto", "wallet", "seed"], "size": 41, "texts": ["My wallet is gone."], "task_ids": [7]}
            ],
        },
        "baseline": None,
        "advice": ["212 labels held a break; each counts as its annotator's mean."],
        "warnings": [],
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
