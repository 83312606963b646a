"""Labels inside labels: a cross-entropy per label, as for any set of labels, and whole paths as the answer."""

from collections.abc import Sequence

from ...arrays import Codes
from ...domain.example import Target, label_of, parts_of
from ...domain.label_config import parent_of
from ...models.decoders.base import Decoder
from ...models.decoders.taxonomy import TaxonomyDecoder, with_parents
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..rows.data import LabeledTexts
from .sigmoid import SigmoidObjective

__all__: list[str] = []


class TaxonomyObjective(SigmoidObjective):
    """A code is a line of 1 for the labels that were chosen and for their parents, shape (U, K).

    Attributes:
        is_one_path: no train row has two labels of which neither lies inside the other.
        may_be_empty: some train row has no label.
    """

    head = "taxonomy"
    is_one_path = False
    may_be_empty = True

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        chosen = [with_parents([label_of(part) for part in parts_of(target)]) for target in rows.targets]
        self.is_one_path = all(len(labels) - len(set(map(parent_of, labels)) & set(labels)) <= 1 for labels in chosen)
        self.may_be_empty = not all(chosen)
        return super().first_decoder(encoder, rows)

    def plain_decoder(self) -> TaxonomyDecoder:
        return TaxonomyDecoder(
            labels=self.labels,
            pooling=self.pooling,
            fields=self.fields,
            is_one_path=self.is_one_path,
            may_be_empty=self.may_be_empty,
        )

    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        given = [() if target is None else parts_of(target) for target in targets]
        whole: list[Target] = [with_parents(list(map(label_of, parts))) for parts in given]
        return super().codes(whole, tokenised)
