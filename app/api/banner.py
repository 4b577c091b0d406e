"""The banner of `litestar run` in dev: addresses, the token, and a command that creates the first board."""

import click
from litestar.plugins import CLIPlugin

from app.core.dev_secrets import local_token_file
from app.core.settings import AuthMode, Settings

_BODY = '{"name": "First board", "slug": "first-board", "description": "Where the work begins"}'


class Banner(CLIPlugin):
    """Prints the banner once, in the command and not in its workers. A token that was set is not printed."""

    def __init__(self, settings: Settings, *, token_was_made: bool) -> None:
        self._settings = settings
        self._token_was_made = token_was_made

    def on_cli_init(self, cli: click.Group) -> None:
        """Add no command."""

    def on_listening(self) -> None:
        """Print it, in dev."""
        if self._settings.is_dev:
            click.echo(self._text(_base_url()))

    def _text(self, base: str) -> str:
        shown, origin = self._token()
        return (
            f"\nPlimsoll\n"
            f"  API    {base}/api/v1\n"
            f"  Docs   {base}/schema\n"
            f"  Token  {shown}  ({origin})\n\n"
            f"Create the first board, from another terminal:\n\n"
            f"  curl -X POST {base}/api/v1/boards \\\n"
            f'    -H "Authorization: Bearer {shown}" \\\n'
            f'    -H "Content-Type: application/json" \\\n'
            f"    -d '{_BODY}'\n"
        )

    def _token(self) -> tuple[str, str]:
        """Return the token as commands show it, and where it comes from."""
        if self._settings.auth_mode is AuthMode.OIDC:
            return "$TOKEN", f"one of {self._settings.oidc_issuer}, or a personal access token"
        token = self._settings.local_auth_token
        if self._token_was_made and token is not None:
            return token.reveal(), f"kept in {local_token_file(self._settings)}"
        return "$LOCAL_AUTH_TOKEN", "the one that you set: export it in the other terminal"


def _base_url() -> str:
    """Return the URL at which `litestar run` listens."""
    context = click.get_current_context(silent=True)
    options = context.params if context is not None else {}
    host = options.get("host") or "127.0.0.1"
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - not bound here, only named
        host = "127.0.0.1"
    scheme = "https" if options.get("ssl_certfile") else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{options.get('port') or 8000}"
