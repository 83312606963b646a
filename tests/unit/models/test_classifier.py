from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.domain.model import Method
from ml_backend.errors import BundleError
from ml_backend.models.base.adapters import add_adapter, save_adapter
from ml_backend.models.base.base_model import load_backbone
from ml_backend.models.bundle.bundle import Bundle, TrainedPart
from ml_backend.models.bundle.head import Head
from ml_backend.models.decoders.sigmoid import SigmoidDecoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.decoders.tags import TagsDecoder
from ml_backend.models.text.classifier import TextClassifier, save_weights
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.tiny_models import tiny_model
from tests.trained_parts import random_head, written_bundle, written_part

TEXTS = ["where is my card", "cash please", "refund"]
HEAD = Head(np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32), np.array([0.1, -0.2], dtype=np.float32))
SOFTMAX = SoftmaxDecoder(labels=("card", "cash"))


def logits_of(model: TextClassifier) -> Floats2d:
    return model.logits(model.read(TEXTS))


def lora_bundle(base: str, folder: Path) -> tuple[Bundle, np.ndarray]:
    """A bundle with a random adapter, and the logits of the unmerged model."""
    import torch

    backbone = load_backbone(base)
    torch.manual_seed(0)
    model = add_adapter(backbone.module, rank=4, alpha=8, dropout=0.0, init_lora_weights=False)
    part = written_part(folder / "part", HEAD, SOFTMAX, method=Method.LORA)
    save_adapter(model, part.folder, base_model=base)
    logits = HEAD.logits(TextEncoder(backbone, use_bf16=False).embed(TEXTS))
    return written_bundle(folder / "bundle", base, part), logits


def full_bundle(base: str, folder: Path) -> tuple[Bundle, np.ndarray]:
    """A bundle with weights of its own, and the logits of the model that they came from."""
    backbone = replace(load_backbone(base), module=tiny_model("bert", seed=9))
    part = written_part(folder / "part", HEAD, SOFTMAX, method=Method.FULL)
    save_weights(backbone.module, part.folder)
    return written_bundle(folder / "bundle", base, part), HEAD.logits(
        TextEncoder(backbone, use_bf16=False).embed(TEXTS)
    )


@pytest.mark.parametrize("tuned", [lora_bundle, full_bundle])
def test_a_reloaded_version_answers_as_the_trained_model_did(
    tuned: Callable[[str, Path], tuple[Bundle, np.ndarray]], base: str, tmp_path: Path
) -> None:
    bundle, expected = tuned(base, tmp_path)

    logits = logits_of(TextClassifier.load(bundle, 0, use_bf16=False))

    np.testing.assert_allclose(logits, expected, atol=1e-4)
    frozen = HEAD.logits(TextEncoder.load(base).embed(TEXTS))
    assert np.abs(logits - frozen).max() > 1e-2, "the weights are the base model's, so this test shows nothing"


def test_parts_are_loaded_each_with_its_own_weights_and_readout(base: str, tmp_path: Path) -> None:
    bundle, expected = lora_bundle(base, tmp_path / "lora")
    decoders = [SigmoidDecoder(labels=("angry", "late"), slope=2.0), TagsDecoder(labels=("PER",), entity_bias=0.5)]
    encoder = TextEncoder(load_backbone(base), use_bf16=False)
    width = encoder.vectors(decoders[1].tokenise(encoder, TEXTS)).shape[1]
    tags = random_head(3, width, seed=1)
    several = written_bundle(
        tmp_path / "bundle",
        base,
        written_part(tmp_path / "mood", HEAD, decoders[0], control="mood"),
        TrainedPart(bundle.manifest.parts[0], bundle.part_folder(0)),
        written_part(tmp_path / "people", tags, decoders[1], control="people"),
    )

    models = [TextClassifier.load(several, position, use_bf16=False) for position in range(3)]

    assert [model.decoder for model in models] == [decoders[0], SOFTMAX, decoders[1]]
    np.testing.assert_allclose(logits_of(models[0]), HEAD.logits(encoder.embed(TEXTS)), atol=1e-5)
    np.testing.assert_allclose(logits_of(models[1]), expected, atol=1e-4)
    tokenised = decoders[1].tokenise(encoder, TEXTS)
    np.testing.assert_allclose(logits_of(models[2]), tags.logits(encoder.vectors(tokenised)), atol=1e-4)
    assert tokenised.units == 7


def test_an_adapter_folder_names_the_base_model_and_holds_safetensors_alone(base: str, tmp_path: Path) -> None:
    bundle, _ = lora_bundle(base, tmp_path)

    adapter = bundle.adapter(0)
    assert adapter is not None
    assert {file.name for file in adapter.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert f'"base_model_name_or_path": "{base}"' in (adapter / "adapter_config.json").read_text()


def test_weights_of_another_architecture_are_refused(base: str, tmp_path: Path) -> None:
    part = written_part(tmp_path / "part", HEAD, SOFTMAX, method=Method.FULL)
    save_weights(tiny_model("gpt2"), part.folder)
    bundle = written_bundle(tmp_path / "bundle", base, part)

    with pytest.raises(BundleError, match=f"(?s)the weights in .*{Bundle.WEIGHTS_NAME} do not fit .*; train again"):
        TextClassifier.load(bundle, 0)
