"""A release takes over process by process, and nothing ever leaves a slot without processes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from worker.roster import Retire, Seat, Serve, Start, State, next_steps

SIZE = 3


def test_an_empty_slot_starts_all_its_processes_at_once() -> None:
    assert next_steps("tiny-1", 2, [], barred=False) == [Start("tiny-1"), Start("tiny-1")]


def test_a_slot_without_a_release_goes_on_as_it_is() -> None:
    assert next_steps(None, 1, [Seat(1, "tiny-1", State.SERVING)], barred=False) == []


def test_a_new_release_starts_one_process_and_the_old_ones_serve_on() -> None:
    old = [Seat(1, "tiny-1", State.SERVING), Seat(2, "tiny-1", State.SERVING)]
    assert next_steps("tiny-2", 2, old, barred=False) == [Start("tiny-2")]
    loading = [*old, Seat(3, "tiny-2", State.LOADING)]
    assert next_steps("tiny-2", 2, loading, barred=False) == []


def test_when_a_fresh_process_is_admitted_one_old_one_retires() -> None:
    seats = [
        Seat(1, "tiny-1", State.SERVING),
        Seat(2, "tiny-1", State.SERVING),
        Seat(3, "tiny-2", State.ADMITTED),
    ]
    assert next_steps("tiny-2", 2, seats, barred=False) == [Serve(3), Retire(1), Start("tiny-2")]


def test_a_release_that_was_refused_is_not_started_again_at_once() -> None:
    old = [Seat(1, "tiny-1", State.SERVING)]
    assert next_steps("tiny-2", 1, old, barred=True) == []


def test_a_release_that_is_no_longer_wanted_before_it_served_is_let_go() -> None:
    seats = [Seat(1, "tiny-1", State.SERVING), Seat(2, "tiny-2", State.LOADING)]
    assert next_steps("tiny-1", 1, seats, barred=False) == [Retire(2)]


@given(
    st.lists(st.sampled_from(["want a", "want b", "admit", "refuse", "die", "end"]), max_size=60), st.integers(1, SIZE)
)
def test_whatever_happens_a_slot_that_served_is_served_and_comes_to_rest(events: list[str], size: int) -> None:
    room = Room(size)
    for event in events:
        room.happens(event)
        room.follow()
        assert room.alive() <= size + 1
        if event != "die":
            assert room.serving() >= room.served_before
    for _ in range(4 * size + 4):
        room.happens("admit")
        room.happens("end")
        room.follow()
    assert [seat.release_id for seat in room.seats if seat.state is State.SERVING] == [room.wanted] * size


class Room:
    """Processes as they come and go, without processes."""

    def __init__(self, size: int) -> None:
        self.size, self.wanted, self.seats, self.served_before = size, "a", list[Seat](), 0
        self._keys = iter(range(1, 10_000))
        self.follow()

    def happens(self, event: str) -> None:
        self.served_before = self.serving()
        if event.startswith("want"):
            self.wanted = event[-1]
        elif event == "admit":
            self._turn(State.LOADING, State.ADMITTED)
        elif event == "refuse":
            self._drop(State.LOADING)
        elif event == "end":
            self._drop(State.RETIRING)
        elif event == "die":
            self._drop(State.SERVING)
            self.served_before = self.serving()

    def follow(self) -> None:
        for step in next_steps(self.wanted, self.size, self.seats, barred=False):
            if isinstance(step, Start):
                self.seats.append(Seat(next(self._keys), step.release_id, State.LOADING))
            else:
                state = State.SERVING if isinstance(step, Serve) else State.RETIRING
                self.seats = [replace(seat, state=state) if seat.key == step.key else seat for seat in self.seats]

    def serving(self) -> int:
        return sum(seat.state is State.SERVING for seat in self.seats)

    def alive(self) -> int:
        return sum(seat.state is not State.RETIRING for seat in self.seats)

    def _turn(self, old: State, new: State) -> None:
        for at, seat in enumerate(self.seats):
            if seat.state is old:
                self.seats[at] = replace(seat, state=new)
                return

    def _drop(self, state: State) -> None:
        for seat in self.seats:
            if seat.state is state:
                self.seats.remove(seat)
                return
