"""`litestar users`: people and their personal access tokens, for operators without access to the API."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import rich_click as click
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.group import DataGroup
from app.db.checked_settings import load_settings
from app.db.command_transaction import run_in_transaction
from app.migrator.cli.options import json_option as as_json
from app.migrator.cli.rows import print_rows
from app.models import PersonalToken, TokenScope, User
from app.services.user_admin import UserAdminService

_MOST_DAYS = 36_500
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@click.command(name="list")
@as_json
def list_users(as_json: bool) -> None:
    """List the users of all organizations, oldest first."""

    async def work(session: AsyncSession) -> Sequence[tuple[User, int]]:
        return await UserAdminService(session).list()

    found = run_in_transaction(load_settings(serving=False), work)
    _print_rows(
        [
            {
                "id": user.id,
                "subject": user.subject,
                "name": user.name,
                "email": user.email,
                "tokens": tokens,
                "created_at": user.created_at,
            }
            for user, tokens in found
        ],
        as_json=as_json,
    )


@click.command()
@click.option("--name", required=True, help="The name that others see.")
@click.option("--email", help="The address under which they are invited.")
@click.option("--subject", help="The subject that the sign-in gives them; without it they can use tokens only.")
def create(name: str, email: str | None, subject: str | None) -> None:
    """Make a user, with an organization named Personal, and print their id."""
    if not name.strip():
        raise click.BadParameter("It is empty.", param_hint="--name")
    if email is not None and not _EMAIL.fullmatch(email):
        raise click.BadParameter("It is no e-mail address.", param_hint="--email")

    async def work(session: AsyncSession) -> User:
        return await UserAdminService(session).create(name.strip(), email, subject)

    click.echo(run_in_transaction(load_settings(serving=False), work).id)


@click.command()
@click.argument("user")
@click.option("--name", required=True, help="What it is for, such as the program's name.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in TokenScope]),
    default=TokenScope.WRITE.value,
    show_default=True,
    help="Whether it may only read.",
)
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), help="Good for so many days; without it until revoked.")
def token(user: str, name: str, scope: str, days: int | None) -> None:
    """Make a personal access token and print it: this is the one time that it is shown."""
    if not name.strip():
        raise click.BadParameter("It is empty.", param_hint="--name")
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def work(session: AsyncSession) -> str:
        issued = await UserAdminService(session).issue_token(user, name.strip(), TokenScope(scope), expires_at)
        return issued.secret

    click.echo(run_in_transaction(load_settings(serving=False), work))


@click.command()
@click.argument("user")
@as_json
def tokens(user: str, as_json: bool) -> None:
    """List a user's personal access tokens, oldest first; expired ones too."""

    async def work(session: AsyncSession) -> Sequence[PersonalToken]:
        return await UserAdminService(session).list_tokens(user)

    _print_rows(
        [
            {
                "id": held.id,
                "name": held.name,
                "scope": held.scope,
                "expires_at": held.expires_at,
                "last_used_at": held.last_used_at,
                "created_at": held.created_at,
            }
            for held in run_in_transaction(load_settings(serving=False), work)
        ],
        as_json=as_json,
    )


@click.command()
@click.argument("token_id", type=click.UUID)
def revoke(token_id: UUID) -> None:
    """Revoke a personal access token: it is worth nothing from then on."""

    async def work(session: AsyncSession) -> PersonalToken:
        return await UserAdminService(session).revoke_token(token_id)

    click.echo(f"Revoked {run_in_transaction(load_settings(serving=False), work).name}.", err=True)


@click.group(cls=DataGroup, name="users")
def users() -> None:
    """Users, and the personal access tokens by which programs act in their name.

    USER is an id, a subject or an e-mail address. Exit codes: 0 done; 1 refused (the message says why); 2 a wrong
    setting or option; 3 the schema is behind this release; 4 the database cannot be reached.
    """


for _command in (list_users, create, token, tokens, revoke):
    users.add_command(_command)


def _print_rows(rows: Sequence[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
        return
    if not rows:
        click.echo("There is none.", err=True)
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    print_rows(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else str(value)
