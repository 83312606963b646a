from pathlib import Path

import pytest
import torch

from ml_backend.errors import EncoderError
from ml_backend.models.base.base_model import weights_sha256
from ml_backend.models.base.device import has_bf16, pick_device
from ml_backend.models.generation.language_model import LanguageModel, can_quantise
from tests.tiny_language_models import byte_tokenizer, save_tiny_decoder, tiny_decoder
from tests.tiny_models import save_tiny_model


@pytest.mark.parametrize("kind", ["llama", "gpt2", pytest.param("qwen2", marks=pytest.mark.long)])
def test_a_decoder_is_loaded_with_its_head_and_tokenizer(kind: str, tmp_path: Path) -> None:
    name = save_tiny_decoder(kind, tmp_path)

    model = LanguageModel.load(name, device="cpu", in_fp32=True)

    torch.manual_seed(0)
    ids = torch.randint(5, 250, (1, 7))
    expected = tiny_decoder(kind, byte_tokenizer())(ids).logits
    torch.testing.assert_close(model.module(ids).logits, expected)
    assert (model.name, model.device, model.max_length_tokens) == (name, "cpu", 256)
    assert model.weights_sha256 == weights_sha256(name)
    assert not model.module.training


def test_weights_are_held_in_bf16_where_the_device_computes_with_it(tmp_path: Path) -> None:
    model = LanguageModel.load(save_tiny_decoder("llama", tmp_path), device="cpu")

    wanted = torch.bfloat16 if has_bf16("cpu") else torch.float32
    assert {parameter.dtype for parameter in model.module.parameters()} == {wanted}


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    name = save_tiny_model("bert", tmp_path)

    with pytest.raises(EncoderError, match="decoder"):
        LanguageModel.load(name)


def test_a_decoder_saved_without_its_head_is_refused(tmp_path: Path) -> None:
    name = save_tiny_model("llama", tmp_path)

    with pytest.raises(EncoderError, match=r"lack lm_head\.weight.*decoder with its language-model head"):
        LanguageModel.load(name)


def test_a_tokenizer_without_a_pad_token_uses_its_eos_token() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = None

    model = LanguageModel.of(tiny_decoder("llama", byte_tokenizer()), tokenizer, name="own", digest="")

    assert model.tokenizer.pad_token_id == tokenizer.eos_token_id


@pytest.mark.skipif(can_quantise(pick_device()), reason="CUDA and bitsandbytes are here")
def test_four_bits_need_cuda_and_bitsandbytes(tmp_path: Path) -> None:
    name = save_tiny_decoder("llama", tmp_path)

    with pytest.raises(EncoderError, match=r"cannot be loaded in 4 bits: .*CUDA.*method lora"):
        LanguageModel.load(name, device="cpu", quantised=True)


def test_a_missing_package_is_named_where_there_is_cuda(tmp_path: Path) -> None:
    if can_quantise("cuda"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(EncoderError, match=r"bitsandbytes is not installed.*pip install bitsandbytes"):
        LanguageModel.load(str(tmp_path), device="cuda", quantised=True)
