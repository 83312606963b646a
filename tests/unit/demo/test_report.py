"""How the demo tells its figures."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ml_backend.demo.annotator import OpenTask
from ml_backend.demo.display import Display
from ml_backend.demo.report import Addresses, TrainingResult, changes, labeling_section, to_json, unlabeled_section
from ml_backend.demo.tickets import Ticket
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.progress import Progress
from ml_backend.measuring.cost import LabelingCost

COST = LabelingCost(
    labeled=100,
    skipped=2,
    prelabels={PrelabelOutcome.ACCEPTED: 45, PrelabelOutcome.CHANGED: 30, PrelabelOutcome.NONE: 25},
    seconds=900.0,
    mean_seconds={PrelabelOutcome.ACCEPTED: 6.04, PrelabelOutcome.CHANGED: 11.0, PrelabelOutcome.NONE: 9.0},
)
TRAINING = TrainingResult(
    job_id=2,
    method="lora",
    seconds=61.4,
    test_rows=103,
    before={"model_version": "tickets-1-cold-start-x", "macro_f1": 0.5854, "accuracy": 0.6},
    after={"model_version": "tickets-1-v1", "macro_f1": 0.7301, "accuracy": 0.74},
    is_promoted=True,
    is_provisional=False,
    reason="the difference of +0.145 is at least +0.060 with 95% confidence: tickets-1-v1 is promoted",
    warnings=("1 class with under 10 test rows",),
)


def _compared(
    *labels: tuple[str | None, str | None], right: str = "Billing", text: str = "ticket\nin two lines"
) -> Any:
    """What two versions make of tickets that are about `right`, given their pre-labels before and after."""
    before = [OpenTask(number, f"{text} {number}", number, old, 0.31) for number, (old, _) in enumerate(labels)]
    after = [OpenTask(number, f"{text} {number}", number, new, 0.92) for number, (_, new) in enumerate(labels)]
    tickets = {task.text: Ticket(task.text, right, is_hard=False) for task in before}
    return changes(before, after, tickets)


def _addresses(folder: Path) -> Addresses:
    return Addresses(
        project="http://localhost:8080/projects/1/data",
        email="admin@example.com",
        password="studio-secret",
        admin_page="http://localhost:9090",
        sign_in_link="http://localhost:9090/link/secret-token",
        mlflow_url=f"sqlite:///{folder}/mlflow.db",
        folder=folder,
    )


def _text(parts: list[RenderableType]) -> str:
    console = Console(file=io.StringIO(), width=1000)
    for part in parts:
        console.print(part)
    return console.file.getvalue()


def test_the_labeling_tells_time_per_label_acceptance_and_mistakes() -> None:
    text = _text(labeling_section(COST, mistakes=4))

    assert "100 tickets labeled and 2 skipped in 15 minutes" in text
    assert "9.0 s per label" in text
    assert "60% of the pre-labels seen were accepted. 4 labels (4.0%) are wrong" in text
    assert "pre-label accepted            45           6.0" in text


def test_an_outcome_that_never_happened_has_no_row() -> None:
    others = {PrelabelOutcome.ACCEPTED: 6.04, PrelabelOutcome.NONE: 9.0}
    never_changed = replace(COST, prelabels={**COST.prelabels, PrelabelOutcome.CHANGED: 0}, mean_seconds=others)

    assert "pre-label changed" not in _text(labeling_section(never_changed, mistakes=0))


def test_the_training_tells_both_models_the_gate_and_what_the_labels_bought() -> None:
    text = _text(TRAINING.section(COST))

    assert "before: tickets-1-cold-start-x     0.585     0.600" in text
    assert "after: tickets-1-v1                0.730     0.740" in text
    assert "The gate: the difference of +0.145 is at least +0.060" in text
    assert "note: 1 class with under 10 test rows" in text
    assert "15 minutes of labeling bought +0.145 macro-F1." in text


def test_prelabels_of_two_versions_are_compared_and_blind_tickets_are_left_out() -> None:
    compared = _compared(
        ("Shipping", "Billing"), ("Billing", "Billing"), ("Billing", "Returns"), (None, None), ("Billing", None)
    )

    assert [(each["before"], each["after"]) for each in compared] == [
        ("Shipping", "Billing"),
        ("Billing", "Billing"),
        ("Billing", "Returns"),
    ]
    assert compared[0] == {
        "text": "ticket\nin two lines 0",
        "label": "Billing",
        "before": "Shipping",
        "before_score": 0.31,
        "after": "Billing",
        "after_score": 0.92,
    }


def test_examples_are_the_first_changes_one_line_each() -> None:
    text = _text(unlabeled_section(_compared(*[("Returns", "Billing")] * 8, ("Billing", "Billing"))))

    assert "Of 9 tickets" in text
    assert "right for 1 before and is right for 9 now. The first 6 of 8 that changed" in text
    assert len(re.findall(r'in two lines \d"\n  Billing 0.92 \(right\), before Returns 0.31\n', text)) == 6


def test_an_example_that_is_wrong_says_what_is_right() -> None:
    text = _text(unlabeled_section(_compared(("Billing", "Shipping"), right="Returns", text="long " * 40)))

    assert f'"{("long " * 40)[:69]}..."\n  Shipping 0.92 (it is Returns), before Billing 0.31\n' in text


def test_without_a_version_that_prelabels_there_is_nothing_to_compare() -> None:
    assert _text(unlabeled_section([])) == "No unlabeled ticket holds pre-labels of both versions.\n"


@pytest.mark.parametrize(
    ("is_promoted", "after", "is_success"),
    [(True, 0.6, True), (False, 0.6, False), (True, 0.5, False), (True, 0.4, False)],
)
def test_success_is_a_promoted_version_that_beats_the_cold_start(
    is_promoted: bool, after: float, is_success: bool
) -> None:
    training = replace(TRAINING, is_promoted=is_promoted, before={"macro_f1": 0.5}, after={"macro_f1": after})

    assert training.is_success is is_success


def test_places_tell_addresses_credentials_and_how_to_open_mlflow(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    text = _text(_addresses(folder).section())

    assert "Label Studio: http://localhost:8080/projects/1/data\n" in text
    assert "log in as admin@example.com with password studio-secret\n" in text
    assert "the loop: http://localhost:9090\n" in text
    assert "sign in, once, at http://localhost:9090/link/secret-token\n" in text
    assert f"mlflow ui --backend-store-uri 'sqlite:///{folder}/mlflow.db'" in text


def test_credentials_are_not_in_the_representation_that_logs_and_tracebacks_show(tmp_path: Path) -> None:
    assert "secret" not in repr(_addresses(tmp_path))


def test_everything_is_one_json_object(tmp_path: Path) -> None:
    compared, places = _compared(("Returns", "Billing"), ("Billing", "Billing")), _addresses(tmp_path)
    first = {"learned": 366}
    told = to_json(
        tickets=152, first=first, cost=COST, mistakes=4, training=TRAINING, compared=compared, addresses=places
    )

    figures = json.loads(json.dumps(told))

    assert (figures["is_success"], figures["tickets"]) == (True, 152)
    assert figures["labeling"]["prelabels"] == {"accepted": 45, "changed": 30, "none": 25}
    assert figures["labeling"]["acceptance"] == 0.6
    assert figures["training"]["after"]["model_version"] == "tickets-1-v1"
    assert figures["training"]["gain"] == pytest.approx(0.1447)
    assert figures["unlabeled"] == {
        "tickets": 2,
        "right_before": 1,
        "right_after": 2,
        "changes": _compared(("Returns", "Billing")),
    }
    assert figures["places"]["folder"] == str(tmp_path)


def test_the_story_goes_to_standard_output_and_progress_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(tells_story=True)
    with display.step("Training") as advance:
        advance(Progress(0.5, "half way"))
    display.section("The end", ["All is well."])

    out, err = capsys.readouterr()
    assert out == "\nThe end\n  All is well.\n"
    assert err == "Training ...\nTraining: done in 0 s\n"


def test_with_json_the_story_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    Display(tells_story=False).section("The end", ["All is well."])
    sys.stdout.flush()

    assert capsys.readouterr().out == ""
