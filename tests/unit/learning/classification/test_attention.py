from pathlib import Path

import numpy as np

from ml_backend.learning.classification.attention import AttentionSwitch
from tests.unit.learning.builders import tiny_encoder


def test_short_batches_use_plain_attention_and_long_ones_the_kernel_of_before(tmp_path: Path) -> None:
    module = tiny_encoder(tmp_path / "bert").backbone.module

    with AttentionSwitch(module) as switch:
        switch.set_for(100)
        short = module.config._attn_implementation
        switch.set_for(1000)
        long = module.config._attn_implementation
        switch.set_for(3)

    assert (short, long) == ("eager", "sdpa")
    assert module.config._attn_implementation == "sdpa"


def test_both_kernels_give_the_same_vectors(tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path / "bert")
    texts = ["where is my card", "cash"]
    fused = encoder.embed(texts)

    with AttentionSwitch(encoder.backbone.module) as switch:
        switch.set_for(5)
        np.testing.assert_allclose(encoder.embed(texts), fused, atol=1e-5)
