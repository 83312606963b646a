import io

import numpy as np
import pytest

from ml_backend.learning.figures import confusion_figure, curves_figure, reliability_figure
from ml_backend.learning.loop.fit import FitResult
from ml_backend.learning.loop.observer import EpochResult
from ml_backend.measuring.calibration import Reliability
from ml_backend.measuring.evaluation import Evaluation


def png_bytes(figure) -> int:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return len(buffer.getvalue())


@pytest.mark.parametrize("classes", [2, 16, 60])
def test_confusion_is_drawn_for_few_and_many_classes(classes: int) -> None:
    true = [f"class $_{k}^ 🙂 " + "x" * 40 for k in range(classes)] * 2

    figure = confusion_figure(Evaluation.of(true, true[::-1]))

    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0].startswith("class $_") if classes <= 40 else not any(name.startswith("class") for name in names)
    assert f"{2 * classes} rows" in figure.axes[0].get_title()


def test_confusion_writes_the_counts_of_few_classes() -> None:
    figure = confusion_figure(Evaluation.of(["a", "a", "b"], ["a", "b", "b"]))

    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1", "1", "1"]
    assert png_bytes(figure) > 1000


def test_curves_show_the_validation_only_where_there_is_one() -> None:
    losses = [(1, 2.0), (2, 1.0)]
    scored = FitResult(1, losses, [EpochResult(1, 2, 0.8, {"macro_f1": 0.8, "loss": 0.5})])

    assert len(curves_figure(FitResult(1, losses), score="loss").axes) == 1

    figure = curves_figure(scored, score="macro_f1")
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.8]
    assert curves_figure(scored, score="loss").axes[0].lines[1].get_ydata().tolist() == [0.5]
    assert png_bytes(figure) > 1000


def test_reliability_compares_raw_and_calibrated() -> None:
    random = np.random.default_rng(0)
    raw = np.append(random.random(199), 1.0)
    reliability = Reliability(raw, raw**2, random.random(200) < raw)

    figure = reliability_figure(reliability)

    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["raw", "calibrated"]
    before, after = (container.lines[0].get_xdata() for container in figure.axes[0].containers)
    assert max(after) <= max(before) <= 1
    assert figure.axes[0].get_title() == "200 held-out rows"
    assert png_bytes(figure) > 1000
