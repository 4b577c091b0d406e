"""The organization before any task: people, groups, boards, tags, custom fields, agents, webhooks and memory.

These rows are few, and go through the models.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from app.cli.demo import words
from app.cli.demo.generated_boards import FieldChoice, GeneratedBoard
from app.cli.demo.rows import Actor, RowBatch, id_at
from app.core.security import new_agent_token, new_invite_seed, token_hash
from app.core.slugs import slugify
from app.models import (
    Agent,
    AgentStatus,
    Base,
    Board,
    BoardAccess,
    BoardGroup,
    BoardGroupMemory,
    BoardMemory,
    BoardWebhook,
    CustomField,
    CustomFieldBoard,
    Organization,
    OrganizationInvite,
    OrganizationMember,
    Role,
    Tag,
    User,
)

ModelT = TypeVar("ModelT", bound=Base)
FOUNDED_WITHIN = timedelta(days=7)
_BOARDS_A_GROUP = 6
_FEWEST_PEOPLE, _MOST_PEOPLE = 8, 200
_BOARDS_A_PERSON = 4
_GRANTS_A_MEMBER = 4
_AGENTS_OF_A_BOARD = (1, 2, 3)
# Of five boards each has another of these rules, and one has none.
_RULES: tuple[dict[str, bool], ...] = (
    {},
    {"require_review_before_done": True, "comment_required_for_review": True},
    {"require_approval_for_done": True},
    {"require_approval_for_done": True, "block_status_changes_with_pending_approval": True},
    {"only_lead_can_change_status": True},
)
# Role, all_boards_read and all_boards_write; a member without either has grants on a few boards.
_PEOPLE = (
    (Role.ADMIN, False, False),
    (Role.MEMBER, True, True),
    (Role.MEMBER, True, False),
    (Role.MEMBER, False, False),
)


class AgentToken(msgspec.Struct):
    """A token, of which only the hash is kept: this is the one time that it can be shown."""

    agent_id: UUID
    name: str
    board: str
    token: str


class Founding:
    """The organization, founded at `begin`; all is there within FOUNDED_WITHIN. `models` has parents before children.

    `rng` decides what can be repeated; tokens and ids are new ones every time.
    """

    def __init__(
        self, name: str, boards: int, owner_id: UUID, begin: datetime, now: datetime, rng: random.Random
    ) -> None:
        self.models: defaultdict[type[Base], list[Base]] = defaultdict(list)
        self.tokens: list[AgentToken] = []
        self.boards: list[GeneratedBoard] = []
        self.deciders = [owner_id]
        self.tag_ids: list[UUID] = []
        self._members: list[OrganizationMember] = []
        self._domain = f"{slugify(name) or 'demo'}.example"
        self._owner = Actor(user_id=owner_id)
        self._now, self._rng = now, rng
        self._at = begin
        # More of them than there will be rows.
        self._step = FOUNDED_WITHIN / (12 * boards + 8 * _MOST_PEOPLE)
        self.id = self._add(Organization, name=name).id
        self.events = RowBatch(self.id)
        self._add_event("organization.created", name, subject_id=self.id)
        self._add_people(min(_MOST_PEOPLE, _FEWEST_PEOPLE + boards // _BOARDS_A_PERSON))
        self._add_boards(boards)
        self._add_grants()
        self._add_tags()
        self._add_fields()
        for number, generated in enumerate(self.boards):
            self._add_agents(generated, _AGENTS_OF_A_BOARD[number % len(_AGENTS_OF_A_BOARD)])
            self._add_memory(generated.board)
            if number % 3 == 0:
                self._add_webhook(generated)

    def _add(self, model: type[ModelT], **values: Any) -> ModelT:  # noqa: ANN401 - columns of the model
        """Add a row of this organization, made at a time that moves on a little with each."""
        self._at += self._step
        times = {"created_at": self._at}
        if hasattr(model, "updated_at"):
            times["updated_at"] = self._at
        if hasattr(model, "id"):
            values["id"] = id_at(self._at)
        if hasattr(model, "organization_id"):
            values["organization_id"] = self.id
        row = model(**times, **values)
        self.models[model].append(row)
        return row

    def _add_event(self, event_type: str, message: str | None, actor: Actor | None = None, **about: UUID) -> None:
        self.events.add_event(self._at, event_type, message, actor or self._owner, **about)

    def _add_people(self, count: int) -> None:
        for number in range(count):
            first, last = _person(number)
            user = self._add(
                User,
                subject="",
                name=f"{first} {last}",
                preferred_name=first,
                email=f"{slugify(first)}.{slugify(last)}@{self._domain}",
                timezone=self._rng.choice(words.TIMEZONES),
                active_organization_id=self.id,
            )
            # As for a user who is made without a subject: a personal access token signs them in.
            user.subject = str(user.id)
            # A second owner, so that the first may leave.
            role, *grants = (Role.OWNER, False, False) if number == 0 else _PEOPLE[number % len(_PEOPLE)]
            self._place_member(user.id, role, *grants)
            if role != Role.MEMBER:
                self.deciders.append(user.id)
        # After the first of the users, whose rows come before those of members.
        self._place_member(self._owner.user_id, Role.OWNER)
        invite = self._add(
            OrganizationInvite,
            invited_email=f"newcomer@{self._domain}",
            role=Role.MEMBER,
            all_boards_read=True,
            token_seed=new_invite_seed(),
            expires_at=self._now + timedelta(days=7),
            created_by_user_id=self._owner.user_id,
        )
        self._add_event("invite.created", Role.MEMBER, subject_id=invite.id)

    def _place_member(self, user_id: UUID | None, role: str, read: bool = False, write: bool = False) -> None:
        member = self._add(
            OrganizationMember,
            user_id=user_id,
            role=role,
            all_boards_read=read,
            all_boards_write=write,
        )
        self._members.append(member)
        self._add_event("member.joined", role, Actor(user_id=user_id), subject_id=member.id)

    def _add_boards(self, count: int) -> None:
        names = [f"{area} {theme}" for theme in words.THEMES for area in words.AREAS]
        for number in range(count):
            if number % _BOARDS_A_GROUP == 0:
                group = self._add_group(number // _BOARDS_A_GROUP)
            name = _name(names, number)
            board = self._add(
                Board,
                board_group_id=group.id,
                name=name,
                slug=slugify(name),
                description=f"What the team works on for {name.lower()}.",
                objective=words.OBJECTIVES[number % len(words.OBJECTIVES)],
                success_metrics={"target_percent": self._rng.randrange(10, 60, 5)},
                target_date=self._now + timedelta(days=self._rng.randrange(30, 180)),
                goal_confirmed=self._rng.choice((True, True, True, False)),
                max_agents=len(_AGENTS_OF_A_BOARD),
                **_RULES[number % len(_RULES)],
            )
            self._add_event("board.created", name, board_id=board.id)
            self.boards.append(GeneratedBoard(board))

    def _add_group(self, number: int) -> BoardGroup:
        name = _name(words.GROUPS, number)
        about = f"Boards about {words.GROUPS[number % len(words.GROUPS)].lower()}."
        group = self._add(BoardGroup, name=name, slug=slugify(name), description=about)
        self._add_event("board_group.created", name, board_group_id=group.id)
        content = self._rng.choice(words.MEMORY)
        memory = self._add(BoardGroupMemory, board_group_id=group.id, content=content, tags=["rule"], source="handbook")
        self._add_event("board_group_memory.created", content, board_group_id=group.id, subject_id=memory.id)
        return group

    def _add_grants(self) -> None:
        """Grant members who may not write everywhere a few boards each, so that each board has writers."""
        everywhere = [m.user_id for m in self._members if m.role != Role.MEMBER or m.all_boards_write]
        for generated in self.boards:
            generated.writers.extend(everywhere)
        for member in self._members:
            if member.role == Role.MEMBER and not (member.all_boards_read or member.all_boards_write):
                for generated in self._rng.sample(self.boards, min(_GRANTS_A_MEMBER, len(self.boards))):
                    can_write = self._rng.choice((True, False))
                    self._add(
                        BoardAccess, organization_member_id=member.id, board_id=generated.board.id, can_write=can_write
                    )
                    if can_write:
                        generated.writers.append(member.user_id)

    def _add_tags(self) -> None:
        for name, color in words.TAGS.items():
            tag = self._add(Tag, name=name, slug=slugify(name), color=color)
            self.tag_ids.append(tag.id)

    def _add_fields(self) -> None:
        for number, (key, (label, kind, required, values)) in enumerate(words.FIELDS.items()):
            defined = self._add(
                CustomField,
                field_key=key,
                label=label,
                field_type=kind,
                required=required,
                default_value=msgspec.json.decode(values[0]) if required else None,
            )
            for generated in self.boards[number % 3 :: 3]:
                self._add(CustomFieldBoard, board_id=generated.board.id, custom_field_id=defined.id)
                generated.fields.append(FieldChoice(defined.id, required, values))

    def _add_agents(self, generated: GeneratedBoard, count: int) -> None:
        for number in range(count):
            name, token = words.AGENTS[number], new_agent_token()
            # Some have gone silent, which makes them offline.
            silent_for = timedelta(minutes=self._rng.choice((1, 3, 5, 45, 60 * 30)))
            agent = self._add(
                Agent,
                board_id=generated.board.id,
                name=name,
                status=AgentStatus.ONLINE,
                is_board_lead=number == 0,
                identity_profile={"role": "lead" if number == 0 else "worker"},
                last_seen_at=self._now - silent_for,
                token_hash=token_hash(token),
            )
            self.tokens.append(AgentToken(agent.id, name, generated.board.name, token))
            generated.agents.append(agent.id)
            self._add_event("agent.created", name, board_id=generated.board.id, subject_id=agent.id)
            change, itself = f"{AgentStatus.PROVISIONING} → {AgentStatus.ONLINE}", Actor(agent_id=agent.id)
            self._add_event("agent.status_changed", change, itself, board_id=generated.board.id, subject_id=agent.id)

    def _add_memory(self, board: Board) -> None:
        notes = [(self._rng.choice(words.MEMORY), ["rule"]), *((line, ["chat"]) for line in words.CHAT)]
        for content, tags in notes:
            memory = self._add(BoardMemory, board_id=board.id, content=content, tags=tags)
            self._add_event("board_memory.created", content, board_id=board.id, subject_id=memory.id)

    def _add_webhook(self, generated: GeneratedBoard) -> None:
        where = {"board_id": generated.board.id, "agent_id": generated.agents[0]}
        webhook = self._add(BoardWebhook, description=words.WEBHOOK, **where)
        self._add_event("webhook.created", words.WEBHOOK, board_id=generated.board.id, subject_id=webhook.id)
        generated.webhook_id = webhook.id


def _name(names: Sequence[str], number: int) -> str:
    """Return the next of the names; from the second round on with the number of the round behind it."""
    rounds, which = divmod(number, len(names))
    return f"{names[which]} {rounds + 1}" if rounds else names[which]


def _person(number: int) -> tuple[str, str]:
    """First and last name, such that nobody has the names of another before all have been paired."""
    firsts, lasts = words.FIRST_NAMES, words.LAST_NAMES
    return firsts[number % len(firsts)], lasts[(number * 7 + number // len(firsts)) % len(lasts)]
