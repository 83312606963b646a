"""Versions that write texts, by themselves and beside labels."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.example import Provenance, Row, Span
from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.model import Method
from ml_backend.errors import BundleError, TrainingError
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.learning.rows.collect import training_data
from ml_backend.learning.rows.data import TrainingData
from ml_backend.learning.run import TrainingOutcome
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.bundle.manifest import BundleFacts
from ml_backend.serving.bundle_predictor import BundlePredictor
from ml_backend.serving.openai_server import OpenAiServer
from ml_backend.tasks import ServingPlan
from tests.bank_questions import PAIRS, save_base
from tests.integration.learning.trials import Trial
from tests.openai_server import Script, openai_server
from tests.unit.tasks.plans import plan

AREA = '<TextArea name="reply" toName="text" required="true"/>'
CHOICES = '<Choices name="opening" toName="text"><Choice value="thanks"/><Choice value="sorry"/></Choices>'
SUBJECT = '<Text name="subject" value="$subject"/>'
THINGS = '<Labels name="things" toName="subject"><Label value="card"/></Labels>'
FACTS = BundleFacts(field="text", label_config="<View/>", label_config_fingerprint="0123456789ab", snapshot_id="cdef")
READING = TrainingSettings(method=Method.REGRESSION, max_length_tokens=64)
WRITING = GenerationSettings(
    train_embeddings=True, epochs=12, learning_rate=1e-2, batch_size=10, max_new_tokens=30, max_length_tokens=128
)
PROMPTS = [pair.prompt for pair in PAIRS]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_base(tmp_path_factory.mktemp("models") / "llama")


def rows_of(pairs: Sequence[tuple[str, str]]) -> list[Row]:
    return [
        Row(
            str(number),
            number,
            {"text": prompt},
            {"reply": response, "opening": "thanks" if response.startswith("Thank") else "sorry"},
            (),
            Provenance((number,)),
        )
        for number, (prompt, response) in enumerate(pairs)
    ]


def parts_of(served: ServingPlan) -> list[TrainingData]:
    rows = rows_of([(pair.prompt, pair.response) for pair in PAIRS])
    return [training_data(rows, rows[:6], each) for each in served.controls]


def train(trial: Trial, served: ServingPlan, writing: GenerationSettings = WRITING) -> TrainingOutcome:
    return trial.train(*parts_of(served), settings=READING, writing=writing)


@pytest.fixture
def trial(tmp_path: Path, base: str, decoder: str) -> Trial:
    return Trial(tmp_path, base, decoder, FACTS)


def test_a_version_answers_with_labels_and_with_texts(trial: Trial) -> None:
    outcome = train(trial, plan(CHOICES + AREA))

    manifest = read_bundle(trial.out).manifest
    assert [(part.control, part.head, part.method) for part in manifest.parts] == [
        ("opening", "softmax", Method.REGRESSION),
        ("reply", "text", Method.LORA),
    ]
    assert outcome.method is Method.AUTO
    assert outcome.metrics["reply.rouge_l"] > outcome.metrics["reply.base_rouge_l"]
    assert outcome.metrics["reply.perplexity"] < outcome.metrics["reply.base_perplexity"]
    answers = BundlePredictor(trial.out).predict(["", PROMPTS[0]])
    assert answers[0] is None
    assert answers[1] is not None
    assert answers[1]["opening"].target in ("thanks", "sorry")
    assert str(answers[1]["reply"].target).startswith(("Thank you for asking.", "We are sorry."))
    assert 0 < answers[1]["reply"].score < 1
    fractions = [report.fraction for report in trial.reports]
    assert fractions == sorted(fractions)


def test_each_control_of_a_version_is_decided_on_its_part_of_several_texts(
    tmp_path: Path, base: str, decoder: str
) -> None:
    served = plan(SUBJECT + CHOICES + THINGS + AREA)
    facts = FACTS.copy_with(fields=served.fixed_fields, label_config=served.config.xml)
    rows = [
        replace(
            row, input={**row.input, "subject": "my card"}, targets={**row.targets, "things": (Span(3, 7, "card"),)}
        )
        for row in rows_of([(pair.prompt, pair.response) for pair in PAIRS])
    ]
    parts = [training_data(rows, rows[:6], each) for each in served.controls]
    trial = Trial(tmp_path, base, decoder, facts)

    trial.train(*parts, settings=READING, writing=replace(WRITING, epochs=1))

    assert [part.train.texts[0] for part in parts] == [
        rows[0].text,
        "my card",
        f"text: {PROMPTS[0]}\n\nsubject: my card",
    ]
    assert read_bundle(trial.out).was_trained_on([rows[0].text, PROMPTS[0], "my card"]) == [True, False, False]
    blank = join_fields({"text": PROMPTS[0], "subject": " "})
    first, second = BundlePredictor(trial.out).predict([rows[0].text, blank])
    assert first is not None
    assert second is not None
    assert first["things"].target == (Span(3, 7, "card"),)
    assert second.keys() <= {"opening", "reply"}


def test_a_version_of_texts_alone_needs_no_encoder(tmp_path: Path, decoder: str) -> None:
    trial = Trial(tmp_path, "/no/such/encoder", decoder, FACTS)

    outcome = train(trial, plan(AREA))

    manifest = read_bundle(trial.out).manifest
    assert (manifest.base_model, outcome.method) == (decoder, Method.LORA)
    assert outcome.metrics["rows"] == 6
    assert "ROUGE-L" in outcome.reason
    assert trial.run.params["train_embeddings"] is True
    assert {"training_curves.png", "base_and_tuned.json"} <= {*trial.run.figures, *trial.run.tables}


@pytest.mark.parametrize("method", [Method.LORA, Method.FULL])
def test_a_bundle_holds_what_was_trained_and_not_the_base(trial: Trial, method: Method) -> None:
    train(trial, plan(AREA), replace(WRITING, method=method, train_embeddings=False, epochs=1))

    folder = read_bundle(trial.out).part_folder(0)
    assert (folder / "adapter").is_dir() == (method is Method.LORA)
    assert (folder / "weights").is_dir() == (method is Method.FULL)
    assert json.loads((folder / "tuned.json").read_text())["base_model_sha256"]


def test_blind_tasks_get_scores_like_those_of_the_drafts(trial: Trial) -> None:
    train(trial, plan(AREA))
    predictor = BundlePredictor(trial.out)

    quantiles = read_bundle(trial.out).manifest.parts[0].score_quantiles
    drawn = [predictor.draw_score(key) for key in range(200)]
    assert quantiles[0] <= min(drawn) <= max(drawn) <= quantiles[-1]
    assert np.median(drawn) == pytest.approx(quantiles[50], abs=0.1)


def test_a_version_may_be_served_elsewhere_under_its_name(trial: Trial) -> None:
    train(trial, plan(AREA), replace(WRITING, epochs=1))
    with openai_server(Script(models=("base", "tickets-1-v1"))) as url:
        predictor = BundlePredictor(trial.out, remote=lambda version: OpenAiServer(url, version, retry_wait_s=0.01))
        (answer,) = predictor.predict(["my card?"])

    assert answer is not None
    assert answer["reply"].target == "You said my card?"
    assert predictor.language_model("reply") is None


def test_a_bundle_whose_base_is_gone_is_refused(trial: Trial, tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    trial.decoder = base
    train(trial, plan(AREA), replace(WRITING, epochs=1))
    save_base(tmp_path / "base", seed=3)

    with pytest.raises(BundleError, match="was trained on"):
        BundlePredictor(trial.out)


def test_a_base_model_has_to_be_named(tmp_path: Path, base: str) -> None:
    with pytest.raises(TrainingError, match="LABELLOOP_TEXT_BASE_MODEL"):
        train(Trial(tmp_path, base, "", FACTS), plan(AREA))
