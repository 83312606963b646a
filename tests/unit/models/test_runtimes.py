import os
import sys
import threading

import pytest

from ml_backend.models.graphs.runtimes.base import NICENESS, give_way


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know the priority of processes alone")
def test_a_thread_gives_way_and_the_others_do_not() -> None:
    before, found = priority(), []

    def work() -> None:
        give_way()
        found.append(priority())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert found == [min(19, before + NICENESS)]
    assert priority() == before
