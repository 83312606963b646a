"""What benchmarks are built of."""

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.engine import flops_per_text
from benchmarks.report.sections import SECTIONS
from benchmarks.run import BENCHMARKS, main
from benchmarks.support.clients import body_of
from benchmarks.support.figures import in_turns, percentile, spread
from benchmarks.support.texts import LONG_TOKENS, FreshTexts, count_tokens, load_dataset, write_pools
from ml_backend.labelstudio.payloads import PredictRequest
from tests.architecture.tree import REPOSITORY


def test_every_benchmark_is_a_module_has_a_section_and_is_in_the_help() -> None:
    assert list(BENCHMARKS) == list(SECTIONS)
    assert [name for name in BENCHMARKS if find_spec(f"benchmarks.{name}") is None] == []
    shown = subprocess.run([REPOSITORY / "scripts" / "bench", "--help"], capture_output=True, text=True, check=True)
    assert [name for name, told in BENCHMARKS.items() if f"{name:16} {told}" not in shown.stdout] == []


def test_an_unknown_benchmark_is_refused_with_the_names_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["enigne"])
    assert ended.value.code == 2
    assert "no benchmark 'enigne'; there are engine, predict_http" in capsys.readouterr().err


def test_fresh_texts_are_as_long_as_those_of_the_pool_and_never_the_same() -> None:
    pool = ["where is my card please tell me now", "how do I top up with cash or cheque"]
    texts = FreshTexts(pool, seed=1).take(500) + FreshTexts(pool, seed=2).take(500)
    assert {len(text.split()) for text in texts} == {8, 9}
    assert len(set(texts)) > 995
    assert FreshTexts(pool, seed=1).take(5) == texts[:5]


def test_pools_hold_short_texts_and_long_ones_of_almost_200_tokens(tmp_path: Path) -> None:
    write_pools(load_dataset(None), tmp_path / "pools.json")
    pools = json.loads((tmp_path / "pools.json").read_text(encoding="utf-8"))
    lengths = count_tokens(pools["long"])
    assert max(lengths) <= LONG_TOKENS
    assert sum(lengths) / len(lengths) > LONG_TOKENS - 5
    assert len(pools["short"]) == len(load_dataset(None).train)


def test_banking77_is_read_from_its_folder(tmp_path: Path) -> None:
    for name, text in (("train", "Where is it?"), ("test", "Lost card")):
        (tmp_path / f"{name}.csv").write_text(f"text,category\n{text},{name}_label\n", encoding="utf-8")
    dataset = load_dataset(tmp_path)
    assert (dataset.train, dataset.test) == ((("Where is it?", "train_label"),), (("Lost card", "test_label"),))
    assert dataset.labels == ("train_label",)


def test_a_folder_that_is_not_banking77_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"wanted a folder with train\.csv and test\.csv"):
        load_dataset(tmp_path)


def test_who_comes_first_changes_from_round_to_round() -> None:
    order: list[str] = []

    def way(name: str) -> int:
        order.append(name)
        return len(order)

    answers = in_turns(3, lambda _: way("ours"), lambda _: way("peer"))
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert answers == [[1, 4, 5], [2, 3, 6]]


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_measured(share: float, wanted: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == wanted


def test_a_spread_is_median_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 2.0004], 3) == {"median": 2.0, "low": 1.0, "high": 3.0}


def test_operations_are_counted_from_the_layers() -> None:
    # 6 layers of 4 * 384 * 384 + 2 * 384 * 1536 weights; attention of one token with itself.
    assert flops_per_text(1) == 6 * (2 * 1_769_472 + 4 * 384)


def test_a_request_is_one_that_the_backend_understands() -> None:
    asked = PredictRequest.read(json.loads(body_of(["a", "b"], "<View/>", 7, 100)))
    assert (asked.project_id, asked.label_config) == (7, "<View/>")
    assert [(task.id, task.data["text"]) for task in asked.tasks] == [(100, "a"), (101, "b")]
