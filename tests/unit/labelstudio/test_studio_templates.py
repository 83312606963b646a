"""Label Studio's own templates, where its package is installed: all can be read, and what is said of them is true."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from ml_backend.errors import UnsupportedLabelConfig
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import serving_plan

SPEC = find_spec("label_studio")
FOLDER = Path(SPEC.origin).parent / "annotation_templates" if SPEC and SPEC.origin else None

pytestmark = pytest.mark.skipif(FOLDER is None, reason="pip install label-studio brings the templates")

SERVED = {
    "community-contributions/ner-tagging-invoices-bio-format": ["ner"],
    "community-contributions/two-level-sentiment-analysis-of-x-twitter-posts": ["sentiment", "other-props"],
    "conversational-ai/coreference-resolution-and-entity-linking": ["label"],
    "generative-ai/response-grading": ["rating"],
    "generative-ai/supervised-llm": ["instruction"],
    "natural-language-processing/content-moderation": ["content_moderation"],
    "natural-language-processing/machine-translation": ["spanish"],
    "natural-language-processing/named-entity-recognition": ["label"],
    "natural-language-processing/question-answering": ["answer"],
    "natural-language-processing/relation-extraction": ["label"],
    "natural-language-processing/taxonomy": ["taxonomy"],
    "natural-language-processing/text-classification": ["sentiment"],
    "natural-language-processing/text-summarization": ["answer"],
    "ranking-and-scoring/document-retrieval": ["selection"],
    "ranking-and-scoring/serp-ranking": ["relevance", "confidence"],
}
"""Text templates and their controls that are served."""
REASONS = ("is about <", "is of a kind that stays in Label Studio", "may be left empty", "takes labels from each task")


def templates() -> Iterator[tuple[str, str]]:
    """Folder and XML of each template."""
    for path in sorted(FOLDER.rglob("config.yml")) if FOLDER else ():
        yield str(path.parent.relative_to(FOLDER or "")), yaml.safe_load(path.read_text(encoding="utf-8"))["config"]


def test_every_template_can_be_read_and_every_control_that_is_not_served_says_why() -> None:
    found = {}
    for name, xml in templates():
        config = parse_label_config(xml)
        served: list[str] = []
        try:
            plan = serving_plan(config)
            served, said = [each.name for each in plan.controls], "; ".join(plan.notices)
        except UnsupportedLabelConfig as error:
            said = str(error)
        for control in config.controls:
            about = said.partition(f"<{control.tag} name={control.name!r}> ")[2]
            assert control.name in served or about.startswith(REASONS), (name, control.name, said)
        if served and "computer-vision" not in name:
            found[name] = served
        assert config.faults == (), name

    assert found == SERVED


def test_the_question_below_a_sentiment_is_asked_once_there_is_one() -> None:
    (xml,) = (xml for name, xml in templates() if "two-level-sentiment" in name)
    config = parse_label_config(xml)
    sentiment = {"from_name": "sentiment", "type": "choices", "value": {"choices": ["Neutral"]}}

    assert config.hidden([]) == {"other-props"}
    assert config.hidden([sentiment]) == frozenset()
