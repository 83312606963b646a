"""A training by two processes: the same as by one, and over for both when it is over for either."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ml_backend.domain.model import Method
from ml_backend.errors import TrainingError
from ml_backend.learning.generation.tuned import TunedLanguageModel
from ml_backend.learning.loop.checkpoints import Checkpoints
from ml_backend.learning.loop.fit import FitResult, fit
from ml_backend.learning.loop.replicas import Replicas
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import FAST, Interrupter, Interruption
from tests.unit.learning.classification.test_trainer import Bench
from tests.unit.learning.generation import builders as written
from tests.unit.learning.loop.test_fit import Line, result_of

WAIT_S = 20.0
KILLED_LATER = """
import sys, time
from pathlib import Path
from ml_backend.learning.loop.replicas import Replicas
from tests.unit.learning.loop.test_fit import SETTINGS, Line, fit
from tests.unit.learning.builders import Interrupter

class Pause(Interrupter):
    def on_step(self, step):
        print("step", flush=True)
        time.sleep(100)

with Replicas(2, Path(sys.argv[1])) as replicas:
    fit(Line(), SETTINGS, replicas=replicas, observer=Pause())
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Replicas(2, tmp_path_factory.mktemp("two") / "replicas") as replicas:
        yield replicas


class Faulty(Line):
    """Fails in the second of two processes: by an error, or by being killed."""

    def __init__(self, *, is_killed: bool) -> None:
        super().__init__(epochs=1)
        self.batch_size, self._first, self._is_killed = 5, os.getpid(), is_killed

    @contextmanager
    def training(self) -> Iterator[Callable[[Sequence[int]], float]]:
        def fail(_: Sequence[int]) -> float:
            if self._is_killed:
                os.kill(os.getpid(), signal.SIGKILL)
            raise MemoryError("no room")

        with super().training() as add_gradients:
            yield add_gradients if os.getpid() == self._first else fail


def curve(result: FitResult) -> list[float]:
    return [loss for _, loss in result.losses] + [each.score for each in result.results]


@pytest.mark.parametrize(
    ("head", "method"), [("softmax", Method.LORA), ("softmax", Method.FULL), ("tags", Method.LORA)]
)
def test_a_tuned_encoder_has_the_losses_and_scores_of_one_process(
    two: Replicas, encoder: TextEncoder, head: str, method: Method
) -> None:
    def trained(replicas: Replicas | None) -> list[float]:
        # Batches of 5 are shared out 3 to 2, and adversarial steps go over them twice.
        bench = Bench(encoder, replace(FAST, batch_size=5, adapter_learning_rate=5e-2, adversarial_size=0.1), head)
        trainer = replace(bench.trainer, replicas=replicas)
        with trainer.tuned(method, bench.train, bench.first_head, validation=bench.validation) as (_, result):
            return curve(result)

    alone = trained(None)

    assert trained(two) == pytest.approx(alone, abs=1e-3)
    assert max(alone) - min(alone) > 0.01, "nothing is learned, so this test shows nothing"


@pytest.mark.parametrize("method", [Method.LORA, Method.FULL])
def test_a_tuned_decoder_has_the_losses_of_one_process(two: Replicas, method: Method) -> None:
    def trained(replicas: Replicas | None) -> list[float]:
        settings, model = replace(written.FAST, method=method), written.tiny()
        rows = written.tokens(model)
        weighed = tuple(replace(row, weight=1.0 + number) for number, row in enumerate(rows.rows))
        with TunedLanguageModel.over(model, settings) as tuned:
            tuned.set_rows(replace(rows, rows=weighed), written.tokens(model, written.OTHERS))
            return curve(fit(tuned, settings, replicas=replicas))

    assert trained(two) == pytest.approx(trained(None), abs=1e-3)


def test_a_resumed_training_makes_the_steps_that_would_have_followed(two: Replicas, tmp_path: Path) -> None:
    epochs = Checkpoints(tmp_path, {}).epochs("lora")
    undisturbed = result_of(Line([1, 2, 3, 4]), replicas=two)

    with pytest.raises(Interruption):
        result_of(Line([1, 2, 3, 4]), replicas=two, checkpoints=epochs, observer=Interrupter(at_step=8))

    # Batches of 2: each process has a row of its own, and draws by itself which of it is dropped.
    assert curve(result_of(Line([3, 4]), replicas=two, checkpoints=epochs)) == curve(undisturbed)
    assert curve(undisturbed) != curve(result_of(Line([1, 2, 3, 4])))


@pytest.mark.parametrize(
    ("is_killed", "reason"),
    [
        (False, "failed: MemoryError: no room"),
        pytest.param(True, "status -9; it was killed", marks=pytest.mark.long),  # starts a process of Python and torch
    ],
)
def test_a_process_that_fails_or_dies_ends_the_training_with_a_reason(
    two: Replicas, is_killed: bool, reason: str
) -> None:
    with pytest.raises(TrainingError, match=f"replica 1 of the training.* {reason}"):
        result_of(Faulty(is_killed=is_killed), replicas=two)


def test_no_process_is_left_when_the_first_one_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_LATER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "step\n"
        others = psutil.Process(first.pid).children(recursive=True)
        first.kill()

    assert others
    assert not psutil.wait_procs(others, WAIT_S)[1]
