"""Roles and grants of the signed-in user."""

from typing import NamedTuple

from tests.support.database import query

LOCK_ORGANIZATION = "SELECT FROM organizations WHERE id = :id FOR UPDATE"


def become(url: str, role: str, *, reads: bool = False, writes: bool = False) -> None:
    query(
        url,
        "UPDATE organization_members SET role = :role, all_boards_read = :reads, all_boards_write = :writes",
        role=role,
        reads=reads,
        writes=writes,
    )


def grant(url: str, board_id: str, *, reads: bool, writes: bool) -> None:
    query(
        url,
        "INSERT INTO board_access (id, organization_id, organization_member_id, board_id, can_read, can_write)"
        " SELECT gen_random_uuid(), organization_id, id, :board, :reads, :writes FROM organization_members",
        board=board_id,
        reads=reads,
        writes=writes,
    )


class Rights(NamedTuple):
    """The role of a member, his access to all boards and his grant on one: each is for reading and for writing.

    `may` is what he may do on that board.
    """

    role: str
    everywhere: tuple[bool, bool]
    here: tuple[bool, bool] | None
    may: tuple[bool, bool]

    def give(self, url: str, board_id: str) -> None:
        become(url, self.role, reads=self.everywhere[0], writes=self.everywhere[1])
        if self.here is not None:
            grant(url, board_id, reads=self.here[0], writes=self.here[1])

    def statuses(self, written: int = 200) -> tuple[int, int]:
        """Return the statuses of reading and of writing, which answers `written` to those who may."""
        reads, writes = self.may
        return (200, written if writes else 403) if reads else (404, 404)


RIGHTS = [
    Rights("owner", (False, False), None, (True, True)),
    Rights("admin", (False, False), None, (True, True)),
    Rights("member", (False, False), None, (False, False)),
    Rights("member", (True, False), None, (True, False)),
    Rights("member", (False, True), None, (True, True)),
    Rights("member", (False, False), (True, False), (True, False)),
    Rights("member", (False, False), (False, True), (True, True)),
    Rights("member", (False, False), (False, False), (False, False)),
    Rights("member", (True, False), (True, True), (True, True)),
]
