"""Processes that train one model together: each adds up the gradients of its share of every batch.

Synchronous data-parallel training, as in Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data
Parallel Training". The first process has the optimizer, makes the steps, and alone reports, evaluates and writes.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from ...errors import TrainingError
from .trainable import Trainable

if TYPE_CHECKING:
    import torch

__all__ = ["Replicas"]

TIMEOUT = timedelta(minutes=10)
"""For tensors that are on their way, which they are only while every process is at hand."""
INTERFACE = "GLOO_SOCKET_IFNAME"

_AddGradients = Callable[[Sequence[int]], float]


class Replicas:
    """The processes of a training job, on one machine; with a count of 1 there is none but this one.

    The others start with the first training, compute on a copy of the model, and end with the block; if this process is
    killed, they end too.

    Args:
        count: processes in all. On GPUs each has its own; on the CPU each has its share of this process's threads.
        folder: for the files that they are given; made where missing.
    """

    def __init__(self, count: int, folder: Path) -> None:
        self.count, self._folder = count, folder
        self._links: list[tuple[SpawnProcess, Connection]] = []
        self._is_within_step = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def sharing(self, model: Trainable) -> Callable[[int], AbstractContextManager[_AddGradients]]:
        """Return what stands in for the model's `training`: its batches are shared out.

        It takes a seed below 2**63 for what the other processes draw. Gradients and loss are those of the whole batch,
        but for rounding and for dropout, which draws other numbers in each process.

        Raises:
            TrainingError: a process fails or dies, or there are fewer GPUs than processes.
        """
        if self.count == 1:
            return lambda _: model.training()
        is_sent = False

        @contextmanager
        def training(seed: int) -> Iterator[_AddGradients]:
            nonlocal is_sent
            if not is_sent or not self._links:
                self._send(model)
                is_sent = True
            with self._epoch(model, seed) as add_gradients:
                yield add_gradients

        return training

    @contextmanager
    def _epoch(self, model: Trainable, seed: int) -> Iterator[_AddGradients]:
        import torch

        threads = torch.get_num_threads()
        own_threads = max(1, threads // self.count)
        try:
            self._tell([(seed + rank, own_threads) for rank in range(1, self.count)])
            with model.training() as add_gradients:
                torch.set_num_threads(own_threads)
                yield partial(self._add_shares, model, add_gradients)
        finally:
            torch.set_num_threads(threads)
            if self._is_within_step:  # something failed, and the others wait for what will not come
                self._end()
            else:
                with suppress(TrainingError):  # the next epoch finds out
                    self._tell([None] * (self.count - 1))

    def _add_shares(self, model: Trainable, add_gradients: _AddGradients, batch: Sequence[int]) -> float:
        """Add the gradients of the rows at some positions, computed by all processes, and return their loss."""
        from torch import distributed

        whole = model.loss_weight(batch)
        shares = [batch[rank :: self.count] for rank in range(self.count)]
        factors = [model.loss_weight(share) / whole if share and whole else 0.0 for share in shares]
        parameters = [parameter for _, parameter in model.parameters()]
        self._is_within_step = True
        self._tell(list(zip(shares[1:], factors[1:], strict=True)))
        with _told(self._ends()):
            distributed.broadcast(_flat([parameter.detach() for parameter in parameters]), 0)
        loss = factors[0] * add_gradients(shares[0])
        loss += sum(self._answers())
        gradients = _gradients(parameters, factors[0])
        with _told(self._ends()):
            distributed.reduce(gradients, 0)
        _set_gradients(parameters, gradients)
        self._is_within_step = False
        return loss

    def _send(self, model: Trainable) -> None:
        """Give every process its copy of a model."""
        import torch

        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._links:
            self._start(model.device)
        file = self._folder / "model.pt"
        torch.save(model, file)
        self._tell([file] * (self.count - 1))
        self._answers()
        file.unlink()  # who has mapped it into memory keeps it

    def _start(self, device: str) -> None:
        from torch import cuda

        is_on_gpus = device.startswith("cuda")
        if is_on_gpus and cuda.device_count() < self.count:
            raise TrainingError(
                f"{self.count} processes should train, each on another GPU, and {cuda.device_count()} can be seen; "
                "lower LABELLOOP_TRAIN_PROCESSES, or let the job have more"
            )
        context = get_context("spawn")  # threads and CUDA do not survive a fork
        meeting = self._folder / "meeting"
        meeting.unlink(missing_ok=True)
        for rank in range(1, self.count):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, rank, self.count, meeting, is_on_gpus), name=f"replica {rank}", daemon=True
            )
            process.start()
            theirs.close()  # so that its end is the process's end
            self._links.append((process, ours))
        self._answers()
        with _told(self._ends()):
            _join(0, self.count, meeting, is_on_gpus=is_on_gpus)

    def _tell(self, messages: Sequence[Any]) -> None:
        """Send each process its message."""
        for (process, link), message in zip(self._links, messages, strict=True):
            try:
                link.send(message)
            except OSError as error:
                raise self._death(process) from error

    def _answers(self) -> list[float]:
        """Return what each process answers."""
        answers: list[float] = []
        for process, link in self._links:
            try:
                answer = link.recv()
            except (EOFError, OSError) as error:
                raise self._death(process) from error
            if isinstance(answer, str):
                raise TrainingError(f"{process.name} of the training failed: {answer}")
            answers.append(answer)
        return answers

    def _death(self, process: SpawnProcess) -> TrainingError:
        process.join(1.0)
        status = process.exitcode
        why = "; it was killed, perhaps for want of memory" if status == -signal.SIGKILL else ""
        return TrainingError(
            f"{process.name} of the training, process {process.pid}, ended with status {status}{why}. Train again, or "
            "with a lower LABELLOOP_TRAIN_PROCESSES"
        )

    def _ends(self) -> Mapping[str, SpawnProcess]:
        return {process.name: process for process, _ in self._links}

    def _end(self) -> None:
        if not self._links:
            return
        for process, link in self._links:
            process.kill()  # it writes nothing
            process.join()
            link.close()
        self._links.clear()
        self._is_within_step = False
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()


@contextmanager
def _told(ends: Mapping[str, SpawnProcess]) -> Iterator[None]:
    """Raise a TrainingError where tensors cannot be exchanged."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        states = ", ".join(f"{name}: {'runs' if each.is_alive() else each.exitcode}" for name, each in ends.items())
        raise TrainingError(f"the processes of the training lost each other ({states}): {error}") from error


def _join(rank: int, count: int, meeting: Path, *, is_on_gpus: bool) -> None:
    """Become one of the processes; returns once all of them are there."""
    import torch
    from torch import distributed

    if is_on_gpus:
        torch.cuda.set_device(rank)  # what "cuda" means from now on
    else:
        # Nobody outside this machine has to reach them.
        loopback = next((name for name, own in psutil.net_if_addrs().items() if own[0].address == "127.0.0.1"), None)
        if loopback is not None:
            os.environ.setdefault(INTERFACE, loopback)
    store = torch.distributed.FileStore(str(meeting), count)  # type: ignore[attr-defined]  # documented there
    backend = "nccl" if is_on_gpus else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)


def _serve(link: Connection, rank: int, count: int, meeting: Path, is_on_gpus: bool) -> None:
    """Compute shares until the first process ends this one, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # these are for the first process, which ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        import torch

        link.send(0.0)
        _join(rank, count, meeting, is_on_gpus=is_on_gpus)
        device = f"cuda:{rank}" if is_on_gpus else "cpu"
        model: Trainable | None = None
        while True:
            task = link.recv()
            if isinstance(task, Path):
                model = None  # so that there are never two
                # Our own file, of this minute. Mapped, the weights that stay as they are lie in memory once for all.
                model = torch.load(task, map_location=device, mmap=not is_on_gpus, weights_only=False)
                link.send(0.0)
            elif model is not None:
                seed, threads = task
                torch.set_num_threads(threads)
                torch.manual_seed(seed)
                _serve_epoch(link, model)
    except EOFError:
        return
    except Exception as error:
        # The process's outermost frame: the first process tells it to whoever asked.
        with suppress(OSError):
            link.send(f"{type(error).__name__}: {error}")


def _serve_epoch(link: Connection, model: Trainable) -> None:
    """Compute shares until the epoch is over."""
    import torch
    from torch import distributed

    parameters = [parameter for _, parameter in model.parameters()]
    with model.training() as add_gradients:
        for share, factor in iter(link.recv, None):
            values = _flat([parameter.detach() for parameter in parameters])
            distributed.broadcast(values, 0)
            with torch.no_grad():
                for parameter, value in zip(parameters, _parts(values, parameters), strict=True):
                    parameter.copy_(value)
                    parameter.grad = None
            link.send(factor * add_gradients(share) if share else 0.0)
            distributed.reduce(_gradients(parameters, factor), 0)


def _flat(tensors: "Sequence[torch.Tensor]") -> "torch.Tensor":
    """All numbers of some tensors, in fp32."""
    import torch

    return torch.cat([tensor.reshape(-1).to(torch.float32) for tensor in tensors])


def _parts(flat: "torch.Tensor", alike: "Sequence[torch.Tensor]") -> "list[torch.Tensor]":
    """Numbers in the shapes of some tensors."""
    pieces: Sequence[torch.Tensor] = flat.split([tensor.numel() for tensor in alike])  # type: ignore[no-untyped-call]
    return [piece.view_as(tensor) for piece, tensor in zip(pieces, alike, strict=True)]


def _gradients(parameters: "Sequence[torch.Tensor]", factor: float) -> "torch.Tensor":
    """The gradients times a factor, and before them for each parameter 1 if it has one, else 0."""
    import torch

    own = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    has_one = torch.tensor([float(each.grad is not None) for each in parameters], device=own[0].device)
    return torch.cat([has_one, factor * _flat(own)])


def _set_gradients(parameters: "Sequence[torch.Tensor]", flat: "torch.Tensor") -> None:
    """Set the sum of what `_gradients` gave in every process."""
    has_one, gradients = flat[: len(parameters)], flat[len(parameters) :]
    for parameter, gradient, count in zip(parameters, _parts(gradients, parameters), has_one.tolist(), strict=True):
        # As in one process: without a gradient the optimizer leaves a parameter alone.
        parameter.grad = gradient.to(parameter.dtype) if count else None


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
