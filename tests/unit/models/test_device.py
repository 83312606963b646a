import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from ml_backend.models.base.device import has_bf16, has_cuda, on_cpu, pick_device
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import tiny_encoder


def test_the_device_is_cuda_where_torch_finds_one_and_else_the_cpu() -> None:
    assert pick_device() == ("cuda" if torch.cuda.is_available() else "cpu")


def test_torch_is_asked_for_cuda_only_where_there_is_a_driver(tmp_path: Path) -> None:
    assert not has_cuda([str(tmp_path / "driver")])
    assert has_cuda([str(tmp_path)]) == torch.cuda.is_available()


@pytest.mark.skipif(platform.system() != "Linux", reason="the flags of the CPU are read from /proc")
def test_the_cpu_computes_with_bf16_where_its_flags_say_so() -> None:
    flags = set(Path("/proc/cpuinfo").read_text(encoding="ascii").split())

    assert has_bf16("cpu") == bool({"avx512_bf16", "amx_bf16"} & flags)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_module_is_back_on_its_device_after_it_was_on_the_cpu() -> None:
    module = torch.nn.Linear(2, 2).to("cuda")

    with on_cpu(module):
        assert module.weight.device.type == "cpu"

    assert module.weight.device.type == "cuda"


def test_an_encoder_computes_where_it_is_told_to_and_answers_with_arrays(tmp_path: Path) -> None:
    backbone = tiny_encoder(tmp_path / "bert").backbone

    encoder = TextEncoder(backbone, max_length_tokens=32, device="cpu")
    vectors = encoder.embed(["my card", "cash"])

    assert encoder.device == "cpu"
    assert {parameter.device.type for parameter in backbone.module.parameters()} == {"cpu"}
    assert isinstance(vectors, np.ndarray)
    assert vectors.dtype == np.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_vectors_of_cuda_are_those_of_the_cpu_up_to_rounding(tmp_path: Path) -> None:
    backbone = tiny_encoder(tmp_path / "bert").backbone
    texts = ["my card", "cash", "where is my refund"]
    expected = TextEncoder(backbone, max_length_tokens=32, device="cpu", use_bf16=False).embed(texts)

    found = TextEncoder(backbone, max_length_tokens=32, device="cuda", use_bf16=False).embed(texts)

    np.testing.assert_allclose(found, expected, atol=1e-3)
