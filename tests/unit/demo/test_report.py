"""How the demo tells its figures."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from ml_backend.demo.display import Display
from ml_backend.demo.figures import Change, Labeling, Leftover, Measured, Training
from ml_backend.demo.report import (
    Places,
    labeling_section,
    leftover_section,
    places_section,
    to_json,
    training_section,
)
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.progress import Progress

LABELING = Labeling(
    labeled=100,
    skipped=2,
    prelabels={PrelabelOutcome.ACCEPTED: 45, PrelabelOutcome.CHANGED: 30, PrelabelOutcome.NONE: 25},
    seconds=900.0,
    mean_seconds={PrelabelOutcome.ACCEPTED: 6.04, PrelabelOutcome.CHANGED: 11.0, PrelabelOutcome.NONE: 9.0},
)
TRAINING = Training(
    job_id=2,
    method="lora",
    seconds=61.4,
    test_rows=103,
    before=Measured("tickets-1-cold-start-x", 0.5854, 0.6),
    after=Measured("tickets-1-v1", 0.7301, 0.74),
    is_promoted=True,
    is_provisional=False,
    reason="the difference of +0.145 is at least +0.060 with 95% confidence: tickets-1-v1 is promoted",
    warnings=("1 class with under 10 test rows",),
)
CHANGES = tuple(Change(f"ticket {n}\nin two lines", "Billing", "Returns", 0.31, "Billing", 0.92) for n in range(8))
LEFTOVER = Leftover(tickets=50, right_before=30, right_after=38, changes=CHANGES)


def _places(folder: Path) -> Places:
    return Places(
        project="http://localhost:8080/projects/1/data",
        email="admin@example.com",
        password="studio-secret",
        status_page="http://localhost:9090",
        backend_user="labelloop",
        backend_password="backend-secret",
        mlflow_url=f"sqlite:///{folder}/mlflow.db",
        folder=folder,
    )


def _text(parts: list[RenderableType]) -> str:
    console = Console(file=io.StringIO(), width=1000)
    for part in parts:
        console.print(part)
    return console.file.getvalue()


def test_the_labeling_tells_time_per_label_acceptance_and_mistakes() -> None:
    text = _text(labeling_section(LABELING, mistakes=4))

    assert "100 tickets labeled and 2 skipped in 15 minutes" in text
    assert "9.0 s per label" in text
    assert "60% of the pre-labels seen were accepted. 4 labels (4.0%) are wrong" in text
    assert "pre-label accepted            45           6.0" in text


def test_an_outcome_that_never_happened_has_no_row() -> None:
    never_changed = replace(
        LABELING,
        prelabels={**LABELING.prelabels, PrelabelOutcome.CHANGED: 0},
        mean_seconds={
            outcome: seconds
            for outcome, seconds in LABELING.mean_seconds.items()
            if outcome is not PrelabelOutcome.CHANGED
        },
    )

    assert "pre-label changed" not in _text(labeling_section(never_changed, mistakes=0))


def test_the_training_tells_both_models_the_gate_and_what_the_labels_bought() -> None:
    text = _text(training_section(TRAINING, LABELING))

    assert "before: tickets-1-cold-start-x     0.585     0.600" in text
    assert "after: tickets-1-v1                0.730     0.740" in text
    assert "The gate: the difference of +0.145 is at least +0.060" in text
    assert "note: 1 class with under 10 test rows" in text
    assert "15 minutes of labeling bought +0.145 macro-F1." in text


def test_examples_are_the_first_changes_one_line_each() -> None:
    text = _text(leftover_section(LEFTOVER))

    assert "right for 30 before and is right for 38 now. The first 6 of 8 that changed" in text
    assert text.count('in two lines"\n  Billing 0.92 (right), before Returns 0.31\n') == 6


def test_an_example_that_is_wrong_says_what_is_right() -> None:
    wrong = replace(CHANGES[0], text="long " * 40, label="Returns", before="Billing", after="Shipping")

    text = _text(leftover_section(replace(LEFTOVER, changes=(wrong,))))

    assert f'"{("long " * 40)[:69]}..."\n  Shipping 0.92 (it is Returns), before Billing 0.31\n' in text


def test_without_a_version_that_prelabels_there_is_nothing_to_compare() -> None:
    text = _text(leftover_section(Leftover(tickets=0, right_before=0, right_after=0, changes=())))

    assert text == "No unlabeled ticket holds pre-labels of both versions.\n"


def test_places_tell_addresses_credentials_and_how_to_open_mlflow(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    text = _text(places_section(_places(folder)))

    assert "Label Studio: http://localhost:8080/projects/1/data\n" in text
    assert "log in as admin@example.com with password studio-secret\n" in text
    assert "backend: http://localhost:9090\n" in text
    assert "log in as labelloop with password backend-secret\n" in text
    assert f"mlflow ui --backend-store-uri 'sqlite:///{folder}/mlflow.db'" in text


def test_credentials_are_not_in_the_representation_that_logs_and_tracebacks_show(tmp_path: Path) -> None:
    assert "secret" not in repr(_places(tmp_path))


def test_everything_is_one_json_object(tmp_path: Path) -> None:
    told = json.loads(
        json.dumps(
            to_json(
                tickets=152,
                labeling=LABELING,
                mistakes=4,
                training=TRAINING,
                leftover=LEFTOVER,
                places=_places(tmp_path),
            )
        )
    )

    assert told["is_success"] is True
    assert told["tickets"] == 152
    assert told["labeling"]["prelabels"] == {"accepted": 45, "changed": 30, "none": 25}
    assert told["labeling"]["acceptance"] == 0.6
    assert told["training"]["after"]["model_version"] == "tickets-1-v1"
    assert told["training"]["gain"] == pytest.approx(0.1447)
    assert told["unlabeled"]["changes"][0]["after"] == "Billing"
    assert told["places"]["folder"] == str(tmp_path)


def test_the_story_goes_to_standard_output_and_progress_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(tells_story=True)
    with display.step("Training") as report:
        report(Progress(0.5, "training", "half way"))
    display.section("The end", ["All is well."])

    out, err = capsys.readouterr()
    assert out == "\nThe end\n  All is well.\n"
    assert err == "Training ...\nTraining: done in 0 s\n"


def test_with_json_the_story_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    Display(tells_story=False).section("The end", ["All is well."])
    sys.stdout.flush()

    assert capsys.readouterr().out == ""
