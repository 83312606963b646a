from pathlib import Path

import pytest

from ml_backend.learning.classification.adversarial import WordVectors
from ml_backend.models.base.token_batches import padded
from ml_backend.models.text.torch_encoder import unit_vectors
from tests.unit.learning.builders import tiny_encoder

TEXTS = ["where is my card", "cash", "a b c d e f refund late"]


def test_the_shift_raises_the_loss_more_than_a_random_one_does(architecture: str, tmp_path: Path) -> None:
    import torch

    encoder = tiny_encoder(tmp_path / architecture, architecture)
    module = encoder.backbone.module
    ids, mask = padded(encoder.tokenise(TEXTS), encoder.pad_id)
    goal = torch.nn.functional.normalize(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)), dim=1)

    def loss() -> torch.Tensor:
        return -(unit_vectors(module, ids, mask, None) * goal).sum()

    embedding = module.get_input_embeddings()
    plain = float(loss().detach())
    with WordVectors(module) as vectors:
        with vectors.watched():
            torch.autograd.backward(loss())
        with vectors.shifted(mask, size=0.05):
            shifted = float(loss().detach())
            moved = embedding(ids)
        after = float(loss().detach())
    still = embedding(ids)

    real = mask.bool()
    for row in range(3):
        length = still[row][real[row]].norm() / real[row].sum().sqrt()  # the root mean square over the words
        share = (moved - still)[row].norm() / length
        assert float(share.detach()) == pytest.approx(0.05, rel=1e-3)
    assert torch.equal(moved[~real], still[~real])
    noise = torch.randn(still.shape, generator=torch.Generator().manual_seed(1)) * mask.unsqueeze(-1)
    noise = noise * ((moved - still).flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1))[:, None, None]
    handle = embedding.register_forward_hook(lambda _m, _i, output: output + noise)
    random = float(loss().detach())
    handle.remove()
    assert shifted - plain > 2 * abs(random - plain)
    assert after == pytest.approx(plain, abs=1e-6)
