from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.encoders.base_model import load_backbone, weights_sha256
from ml_backend.encoders.bundle import Bundle, BundleManifest, Head, write_bundle
from ml_backend.encoders.classifier import load_classifier, save_adapter
from ml_backend.encoders.embed import TextEncoder
from ml_backend.errors import BundleError, EncoderError
from tests.tiny_models import save_tiny_model
from tests.unit.encoders.test_bundle import MANIFEST

TEXTS = ["where is my card", "cash please", "refund"]
HEAD = Head(np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32), np.array([0.1, -0.2], dtype=np.float32))


@pytest.fixture
def base(tmp_path: Path) -> str:
    return save_tiny_model("bert", tmp_path / "base")


def manifest_for(base: str, **changes: object) -> BundleManifest:
    return replace(MANIFEST, base_model=base, base_model_sha256=weights_sha256(base), **changes)


def lora_bundle(base: str, folder: Path) -> tuple[Bundle, np.ndarray]:
    """A bundle with a random adapter, and the logits of the unmerged model."""
    import torch
    from peft import LoraConfig, get_peft_model

    from ml_backend.training.target_modules import lora_target_modules

    backbone = load_backbone(base)
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=lora_target_modules(backbone.module), init_lora_weights=False)
    model = get_peft_model(backbone.module, config).eval()
    save_adapter(model, folder / "adapter", base_model=base)
    logits = HEAD.logits(TextEncoder(backbone, use_bf16=False).embed(TEXTS))
    return write_bundle(
        folder / "bundle", manifest_for(base), HEAD, trained_on=TEXTS, adapter=folder / "adapter"
    ), logits


def test_a_reloaded_regression_is_the_frozen_encoder_with_its_head(base: str, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", manifest_for(base, method=Method.REGRESSION), HEAD, trained_on=TEXTS)

    logits = load_classifier(bundle.path, use_bf16=False).logits(TEXTS)

    exact = TextEncoder(load_backbone(base), use_bf16=False)
    np.testing.assert_allclose(logits, HEAD.logits(exact.embed(TEXTS)), atol=1e-5)


def test_a_reloaded_merged_adapter_answers_as_the_trained_model_did(base: str, tmp_path: Path) -> None:
    bundle, expected = lora_bundle(base, tmp_path)

    logits = load_classifier(bundle, use_bf16=False).logits(TEXTS)

    np.testing.assert_allclose(logits, expected, atol=1e-4)
    frozen = HEAD.logits(TextEncoder.load(base).embed(TEXTS))
    assert np.abs(logits - frozen).max() > 1e-2, "the adapter has no effect, so this test shows nothing"


def test_an_adapter_folder_names_the_base_model_and_holds_safetensors_alone(base: str, tmp_path: Path) -> None:
    bundle, _ = lora_bundle(base, tmp_path)

    assert bundle.adapter is not None
    assert {file.name for file in bundle.adapter.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


def test_other_base_weights_than_trained_on_are_refused(base: str, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", manifest_for(base), HEAD, trained_on=TEXTS)
    save_tiny_model("bert", Path(base), seed=5)

    with pytest.raises(BundleError, match="Restore the former weights, or train a new version"):
        load_classifier(bundle)


def test_a_missing_base_model_names_the_version_that_needs_it(tmp_path: Path) -> None:
    manifest = replace(MANIFEST, base_model=str(tmp_path / "gone"))
    bundle = write_bundle(tmp_path / "bundle", manifest, HEAD, trained_on=TEXTS)

    with pytest.raises(EncoderError, match="tickets-1-v3 needs its base model"):
        load_classifier(bundle)


def test_a_head_of_another_width_is_refused(base: str, tmp_path: Path) -> None:
    head = Head(HEAD.weight[:, :8], HEAD.bias)
    bundle = write_bundle(tmp_path / "bundle", manifest_for(base), head, trained_on=TEXTS)

    with pytest.raises(BundleError, match="takes 8 features"):
        load_classifier(bundle)
