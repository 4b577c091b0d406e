"""A client that hangs up is noticed, and no part of its body is lost to the noticing."""

import asyncio
from typing import Any

import pytest

from app.db.request.client import Client, ClientDisconnectedError, raise_if_gone

WHOLE: Any = {"type": "http.request", "body": b"all", "more_body": False}
PART: Any = {"type": "http.request", "body": b"some", "more_body": True}
GONE: Any = {"type": "http.disconnect"}


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_client_that_hangs_up_after_its_body_is_noticed_and_its_messages_stay_in_order() -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    client = Client(messages.get)
    noticing = asyncio.create_task(client.raise_when_gone())
    messages.put_nowait(WHOLE)
    await settled()
    assert (noticing.done(), messages.empty()) == (False, True)
    messages.put_nowait(GONE)
    with pytest.raises(ClientDisconnectedError):
        await noticing
    assert [await client.receive(), await client.receive()] == [WHOLE, GONE]


async def test_no_more_than_one_part_of_a_body_is_read_to_notice_it() -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    client = Client(messages.get)
    messages.put_nowait(PART)
    messages.put_nowait(GONE)
    noticing = asyncio.create_task(client.raise_when_gone())
    await settled()
    assert (noticing.done(), messages.qsize()) == (False, 1)
    noticing.cancel()
    assert [await client.receive(), await client.receive()] == [PART, GONE]


@pytest.mark.parametrize("arrived", [(), (WHOLE,)])
async def test_client_of_whom_nothing_is_heard_is_not_gone(arrived: tuple[Any, ...]) -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    for message in arrived:
        messages.put_nowait(message)
    asking = asyncio.create_task(raise_if_gone(messages.get))
    await settled()
    assert asking.done()
    assert asking.exception() is None
    messages.put_nowait(GONE)
    await settled()
    assert messages.qsize() == 1, "nobody waits for a message any more"
    with pytest.raises(ClientDisconnectedError):
        await raise_if_gone(messages.get)
