import pytest

from ml_backend.domain.label_config import Label


@pytest.mark.parametrize(
    ("label", "descriptions"),
    [
        (Label("a", "card_arrival"), ("card arrival",)),
        (
            Label("a", "Billing", "A charge, or a price: wrong. Tax?"),
            ("Billing", "A charge", "or a price", "wrong", "Tax"),
        ),
        (Label("a", "v1.2", "Costs 3.50, at 10:30"), ("v1.2", "Costs 3.50", "at 10:30")),
        (Label("a", "x", "..."), ("x",)),
        (Label("a", " ", ""), ()),
    ],
)
def test_a_label_is_described_by_its_name_and_the_phrases_of_its_hint(
    label: Label, descriptions: tuple[str, ...]
) -> None:
    assert label.descriptions == descriptions
