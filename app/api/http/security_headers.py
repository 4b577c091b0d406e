"""Security headers: browsers must not guess types, frame pages, or run anything but the documentation's scripts."""

from litestar.types import BeforeMessageSendHookHandler, Message, Scope

from app.core.settings import Settings

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
# The interactive documentation: our own files, and the inline styles of Swagger UI. It keeps a token, so that no script
# may run but ours.
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HTML = b"text/html"
_POLICY = b"content-security-policy"
Headers = list[tuple[bytes, bytes]]


def security_headers(settings: Settings) -> BeforeMessageSendHookHandler:
    """Return a before-send hook that adds the headers. A middleware would miss answers to unknown paths."""
    of_page, of_all = _encoded({"Content-Security-Policy": _PAGE}), _encoded({"Content-Security-Policy": _NOTHING})
    common, over_tls = _encoded(_COMMON), _encoded(_strict_transport(settings))
    is_public_over_tls = (settings.public_base_url or "").startswith("https://")

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        given = list(message.get("headers", []))
        is_page = any(name.lower() == b"content-type" and value.startswith(_HTML) for name, value in given)
        # A page may have a stricter one of its own.
        has_policy = is_page and any(name.lower() == _POLICY for name, _ in given)
        policy = () if has_policy else of_page if is_page else of_all
        is_over_tls = is_public_over_tls or scope.get("scheme") == "https"
        message["headers"] = [*given, *common, *policy, *(over_tls if is_over_tls else ())]

    return add


def _strict_transport(settings: Settings) -> dict[str, str]:
    """Return the header of RFC 6797. Not in dev: it would apply to other services under the same name, too."""
    if settings.is_dev or settings.hsts_max_age == 0:
        return {}
    return {"Strict-Transport-Security": f"max-age={settings.hsts_max_age}"}


def _encoded(headers: dict[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
