"""What a slot makes of what its processes say, and of how they end: real processes, each a line of shell."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from pallor.prediction import Engine
from worker.line import Admitted, LineUnreadable, NotAdmitted, TriesGpu, Word, from_line, to_line
from worker.process import Process
from worker.roster import Seat, State
from worker.slot import Slot

ON_GPU = Admitted(Engine("tensorrt", "10", "int8", "sha256:0"), 0.0, gpu=True)
ON_CPU = Admitted(Engine("onnxruntime-cpu", "1", "int8", "sha256:0", "no-driver"), 0.0, gpu=False)
UNTIL_RETIRED = "while read -r word; do case $word in *Retire*) exit 0;; esac; done"
A_WHILE = 20.0


def test_a_process_that_dies_while_it_loads_the_gpus_engine_is_followed_by_one_that_leaves_the_gpu_alone(
    a_slot: Callable[[int], "Bench"],
) -> None:
    slot = a_slot(1)
    slot.next_says(TriesGpu(), then="kill -SEGV $$")
    slot.next_says(ON_CPU)
    slot.until(lambda: slot.begun == [None, "process-died: it ended with -11 on the GPU"])


def test_a_process_that_crashes_on_the_gpu_is_followed_by_one_on_the_cpu_and_one_that_is_killed_is_not(
    a_slot: Callable[[int], "Bench"],
) -> None:
    slot = a_slot(1)
    slot.next_says(ON_GPU, then="read -r word; kill -KILL $$")
    slot.next_says(ON_GPU, then="read -r word; kill -ABRT $$")
    slot.next_says(ON_CPU)
    slot.until(lambda: slot.begun == [None, None, "process-died: it ended with -6 on the GPU"])


def test_a_process_that_dies_while_it_loads_on_the_cpu_is_followed_by_one_of_its_kind(
    a_slot: Callable[[int], "Bench"],
) -> None:
    slot = a_slot(1)
    slot.next_says(then="kill -SEGV $$")
    slot.next_says(ON_CPU)
    slot.until(lambda: slot.begun == [None, None])


def test_one_process_feeds_a_gpu_and_when_that_fails_all_the_others_are_there_again(
    a_slot: Callable[[int], "Bench"],
) -> None:
    slot = a_slot(2)
    for _ in range(2):
        slot.next_says(ON_GPU)
    slot.until(lambda: slot.serving() == ["tensorrt"] and len(slot.slot.processes) == 1)
    for _ in range(2):
        slot.next_says(ON_CPU)
    (process,) = slot.slot.processes.values()
    process.last_words = NotAdmitted("engine-disagrees", "it forgot the golden photos", gpu=True)
    process.kill()
    slot.until(lambda: slot.serving() == ["onnxruntime-cpu"] * 2)


def test_a_release_that_is_no_longer_wanted_while_it_loads_is_ended_at_once_and_is_no_fault(
    a_slot: Callable[[int], "Bench"],
) -> None:
    slot = a_slot(2)
    slot.next_says(ON_CPU)
    slot.next_says(ON_CPU)
    slot.until(lambda: len(slot.serving()) == 2)
    slot.wanted = "tiny-2"
    slot.next_says(then="exec sleep 60")
    slot.until(lambda: len(slot.slot.processes) == 3)
    slot.wanted = "tiny-1"
    slot.until(lambda: len(slot.slot.processes) == 2)
    assert slot.slot.say().fault is None


def test_a_process_that_does_not_answer_for_its_golden_photos_stands_still(a_slot: Callable[[int], "Bench"]) -> None:
    slot = a_slot(2)
    slot.next_says(ON_CPU)
    slot.next_says(ON_CPU)
    slot.until(lambda: len(slot.serving()) == 2)
    one, other = slot.slot.processes.values()
    assert not one.stands_still(0)
    for _ in range(100_000):  # it is not told again and again: its ear would be full, and whoever tells it would wait
        one.check()
    assert one.stands_still(0)
    assert not one.stands_still(3600)
    assert not other.stands_still(0)


def test_a_machine_that_starts_no_process_now_is_asked_again_and_says_why(a_slot: Callable[[int], "Bench"]) -> None:
    slot = a_slot(1)
    slot.refuses = OSError(12, "Cannot allocate memory")
    slot.until(lambda: slot.slot.say().fault == "process-not-started: Cannot allocate memory")
    slot.refuses = None
    slot.next_says(ON_CPU)
    slot.until(lambda: len(slot.serving()) == 1 and slot.slot.say().fault is None)


def test_what_is_no_word_is_passed_over(a_slot: Callable[[int], "Bench"]) -> None:
    slot = a_slot(2)
    slot.next_says(
        then="echo 'Loading libcuda.so'; echo 5; echo '{\"kind\": \"Tomorrow\"}'; "
        + saying(ON_CPU)
        + "; "
        + UNTIL_RETIRED
    )
    slot.next_says(ON_CPU)
    slot.until(lambda: len(slot.serving()) == 2)


@pytest.mark.parametrize("line", [b"", b"Usage:", b"[]", b"5", b"null", b"{}", b'{"kind": "Began"}', b"\xff\xfe"])
def test_a_line_that_is_no_word_is_told_from_one(line: bytes) -> None:
    with pytest.raises(LineUnreadable):
        from_line(line)


def test_whatever_the_shelf_names_is_a_release_to_a_process_and_no_option() -> None:
    environ = {**os.environ, "PALLOR_BROKER_URL": "redis://x", "PALLOR_STORE_URL": "file:///x", "PALLOR_SHELF": "/x"}
    process = Process.start(1, "current", "--help", environ, without_gpu="--no")
    os.set_blocking(process.ear, True)
    assert [type(word) for word in process.words()] == [NotAdmitted]
    assert process.last_words is not None
    assert process.last_words.code == "release-changed"
    process.bury()


def saying(word: Word) -> str:
    return f"echo '{to_line(word).decode().strip()}'"


class Bench:
    """A slot whose processes are told beforehand what they will say."""

    def __init__(self, size: int) -> None:
        self.wanted = "tiny-1"
        self.begun: list[str | None] = []  # why without a GPU
        self.slot = Slot(
            "current", size, wanted=lambda: self.wanted, begin=self._begin, one_on_gpu=True, try_again_seconds=0.1
        )  # fmt: skip
        self.refuses: OSError | None = None
        self._scripts: list[str] = []

    def next_says(self, *words: Word, then: str = UNTIL_RETIRED) -> None:
        """What the process after those before says, and what it does then."""
        self._scripts.append("; ".join([*map(saying, words), then]))

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + A_WHILE
        while not holds():
            assert time.monotonic() < deadline, (self.begun, self.slot.say(), self.slot.processes)
            self.slot.follow({})
            for process in list(self.slot.processes.values()):
                self._hear(process)
            time.sleep(0.005)

    def serving(self) -> list[str]:
        serving = [one for one in self.slot.processes.values() if one.seat.state is State.SERVING]
        return [one.engine.flavour for one in serving if one.engine]

    def close(self) -> None:
        for process in self.slot.processes.values():
            process.kill()
            process.bury()

    def _begin(self, name: str, release_id: str, without_gpu: str | None) -> Process:
        if self.refuses is not None:
            raise self.refuses
        script = self._scripts.pop(0) if self._scripts else "exec sleep 60"
        popen = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.begun.append(without_gpu)
        process = Process(Seat(len(self.begun), release_id, State.LOADING), name, popen)
        os.set_blocking(process.ear, False)
        return process

    def _hear(self, process: Process) -> None:
        with suppress(BlockingIOError):
            try:
                for word in process.words():
                    self.slot.heed(word)
            except EOFError:
                self.slot.lost(process, process.bury())


@pytest.fixture
def a_slot() -> Iterator[Callable[[int], Bench]]:
    """Makes a slot for so many processes."""
    made: list[Bench] = []

    def make(size: int) -> Bench:
        made.append(Bench(size))
        return made[-1]

    yield make
    for one in made:
        one.close()
