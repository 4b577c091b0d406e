"""CORS (WHATWG Fetch, 3.2): which other origins' pages may call the API. Cookies are never allowed."""

from litestar.config.cors import CORSConfig

from app.core.settings import Settings

_SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Agent-Token",
    "X-Request-Id",
)
_SHOWN = ("ETag", "Idempotent-Replayed", "Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id")


def cors_config(settings: Settings) -> CORSConfig | None:
    """Return the configuration; None if no origin is allowed, as browsers then refuse all of them."""
    if not settings.cors_allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_allowed_origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(_SENT),
        expose_headers=list(_SHOWN),
    )
