"""What has to be true: each is a check of the view, with what was found."""

import json
from typing import Any

from app.cli.demo.rollout.database import count_different, count_tasks, find_lost
from app.cli.demo.rollout.processes import Release, State, run_command
from app.cli.demo.rollout.stream import StreamFollower
from app.cli.demo.rollout.traffic import Traffic
from app.cli.demo.rollout.view import Check, RolloutView

_PATIENCE = 15.0


async def check_columns(view: RolloutView, connection: Any, when: str) -> None:  # noqa: ANN401
    """Check that the old column and the new one hold the same in every row."""
    different = await count_different(connection)
    view.checks.append(Check(f"old and new column are equal {when}", different == 0, f"{different:,} rows differ"))


async def check_end(view: RolloutView, following: Release, connection: Any, follower: StreamFollower) -> None:  # noqa: ANN401
    """Check requests, rows, schema and stream, once no request is under way."""
    traffic = view.traffic
    assert traffic is not None
    view.checks += [
        check_requests(view),
        _check_replicas(view),
        *await _check_rows(view, traffic, connection),
        await _check_stream(traffic, follower),
        *await _check_schema(following),
    ]


def check_requests(view: RolloutView) -> Check:
    """Check that there were requests, that none failed, and that what became of each is known."""
    found, sent = view.figures(), view.traffic.sent if view.traffic else 0
    unknown = f", {sent - found.requests:,} are unaccounted for" if sent != found.requests else ""
    is_good = found.requests == sent > 0 and found.failed == 0
    return Check("no request failed", is_good, f"{found.failed:,} of {found.requests:,} requests failed{unknown}")


def _check_replicas(view: RolloutView) -> Check:
    """Check that those of the next release are there still; one that had ended could not have been stopped before."""
    ended = [replica.name for replica in view.replicas if replica.state is State.UP and replica.has_ended]
    return Check("no replica ended by itself", not ended, ", ".join(ended) or "none did")


async def _check_rows(view: RolloutView, traffic: Traffic, connection: Any) -> list[Check]:  # noqa: ANN401
    known = traffic.known_tasks
    lost = await find_lost(connection, known)
    expected, stored = view.rows + len(traffic.created), await count_tasks(connection)
    return [
        Check("acknowledged writes are stored", not lost, f"{len(lost):,} of {len(known):,} tasks hold something else"),
        Check("every task is there, with its text", stored == expected, f"{stored:,} of {expected:,} tasks"),
    ]


async def _check_stream(traffic: Traffic, follower: StreamFollower) -> Check:
    await follower.wait_for(traffic.created, _PATIENCE)
    missed = len(traffic.created - follower.seen)
    found = f"{missed:,} of {len(traffic.created):,} new tasks missed, {follower.connections} connections"
    refused = f", {len(follower.refused)} refused ({follower.refused[0]})" if follower.refused else ""
    return Check("the stream told of every new task", not missed and not refused, found + refused)


async def _check_schema(following: Release) -> list[Check]:
    drift = json.loads(await run_command(following, "database", "drift", "--json"))
    pending, different = len(drift["pending"]), len(drift["differences"])
    return [
        Check("every revision is applied", pending == 0, f"{pending} are pending"),
        Check("the schema is what the models say", different == 0, f"{different} differences"),
    ]
