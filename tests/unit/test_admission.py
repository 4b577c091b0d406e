"""Who is let in: while requests are answered, where they stand still, and when they go on again."""

import asyncio
from typing import Any

import pytest

from app.api.http import admission
from app.api.http.admission import Admission, OverloadedError
from app.core.settings import Settings

LIMIT = 9
AT_A_STANDSTILL = admission._STANDSTILL_FACTOR * LIMIT


class Door(Admission):
    """An admission whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(Settings(max_concurrent_requests=LIMIT), lambda: self.now)

    def let_in(self, comers: int) -> int:
        """Return how many of the comers are let in."""
        for number in range(comers):
            try:
                self.enter()
            except OverloadedError:
                return number
        return comers

    def answer(self, count: int) -> None:
        for _ in range(count):
            self.leave(answered=True)

    def stand_still(self) -> None:
        self.now += admission._STANDSTILL * 1.01


def test_while_requests_are_answered_so_many_are_under_way() -> None:
    door = Door()
    assert door.let_in(100) == LIMIT
    for _ in range(50):
        door.now += admission._STANDSTILL / 2
        door.answer(3)
        assert door.let_in(100) == 3


@pytest.mark.parametrize("before", [LIMIT // 3, LIMIT])
def test_in_a_standstill_more_may_wait_and_so_it_stays_until_they_are_answered(before: int) -> None:
    door = Door()
    assert door.let_in(before) == before
    door.stand_still()
    assert before + door.let_in(100) == AT_A_STANDSTILL
    # It is over: whoever comes while they are answered is let in.
    door.answer(AT_A_STANDSTILL - LIMIT)
    assert door.let_in(LIMIT) == LIMIT
    door.answer(LIMIT - 1)
    assert door.let_in(1) == 1
    door.answer(1)
    # Those who wait now have come since.
    assert door.let_in(100) == 0


def test_a_worker_with_little_to_do_does_not_stand_still() -> None:
    door = Door()
    assert door.let_in(1) == 1
    door.stand_still()
    assert 1 + door.let_in(100) == LIMIT


def test_whoever_leaves_without_an_answer_ends_no_standstill_and_is_not_waited_for() -> None:
    door = Door()
    assert door.let_in(LIMIT) == LIMIT
    door.stand_still()
    door.leave(answered=False)
    assert LIMIT - 1 + door.let_in(100) == AT_A_STANDSTILL
    door.answer(1)
    for _ in range(AT_A_STANDSTILL - 1):
        door.leave(answered=False)
    assert door.let_in(100) == LIMIT


def test_whoever_asks_for_the_methods_of_a_path_neither_takes_a_place_nor_ends_a_standstill() -> None:
    """As browsers do before they send a request, and it is answered without the database."""
    door = Door()
    assert door.let_in(LIMIT) == LIMIT
    told: list[Any] = []

    async def tell(message: Any) -> None:
        told.append(message)

    async def answer(_: object, __: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    scope: Any = {"type": "http", "method": "OPTIONS"}
    receive: Any = None
    for _ in range(3):
        door.now += admission._STANDSTILL / 2
        asyncio.run(door.handle(scope, receive, tell, answer))
    assert len(told) == 3
    assert LIMIT + door.let_in(100) == AT_A_STANDSTILL
