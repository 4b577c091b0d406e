"""Tokens of invites: made of a seed and a key, neither of which is enough."""

import base64
from uuid import UUID, uuid4

import pytest

from app.core.security import InviteTokens, new_invite_seed

INVITE = UUID("01890000-0000-7000-8000-000000000001")
SEED = b"s" * 32


def test_token_has_256_bits_beside_its_id_and_is_the_same_each_time() -> None:
    token = InviteTokens("key").make(INVITE, SEED)
    packed = base64.urlsafe_b64decode(token.removeprefix("pli_"))
    assert (packed[:16], len(packed[16:]) * 8) == (INVITE.bytes, 256)
    assert token == InviteTokens("key").make(INVITE, SEED)
    assert InviteTokens.invite_id(token) == INVITE


def test_other_key_other_seed_and_other_invite_make_other_tokens() -> None:
    tokens = {
        InviteTokens(key).make(invite, seed)[-43:]
        for key in ("key", "other")
        for invite in (INVITE, uuid4())
        for seed in (SEED, new_invite_seed())
    }
    assert len(tokens) == 8


@pytest.mark.parametrize("token", ["", "pli_", "pli_short", "pli_" + "=" * 64, "pli_" + "é" * 64, "\ud800", "pli_a"])
def test_what_is_no_token_is_of_no_invite(token: str) -> None:
    assert InviteTokens.invite_id(token) is None
