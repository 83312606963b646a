import numpy as np

from ml_backend.arrays import Ints
from ml_backend.selection.clusters import Clusters


def clusters(members: Ints) -> Clusters:
    return Clusters(np.zeros((3, 1), dtype=np.float32), members, np.zeros(len(members)))


def test_clusters_are_named_by_the_words_that_the_others_lack() -> None:
    about = {0: "my card is blocked", 1: "my refund is late", 2: "my parcel is late"}
    members = np.array([0, 1, 2] * 20)

    names = clusters(members).telling_words([about[number] for number in members.tolist()])

    assert names[0][:2] == ("blocked", "card")
    assert (names[1][0], names[2][0]) == ("refund", "parcel")
    assert clusters(members).telling_words(["卡", "款", "my"] * 20) == {0: ("卡",), 1: ("款",), 2: ()}
    assert clusters(np.array([0, 1])).telling_words(["x", ""]) == {0: (), 1: ()}


def test_a_single_cluster_is_named_by_the_words_that_other_texts_lack() -> None:
    texts = ["the card that is not blocked", "the blocked card", "that card, not blocked"]
    others = ["the refund that is not here", "the parcel", "that is not the refund"]

    assert set(clusters(np.zeros(3, dtype=np.int64)).telling_words(texts, others)[0][:2]) == {"blocked", "card"}
