"""CORS (WHATWG Fetch, 3.2): pages of which other origins may call the API. No cookie is ever sent along."""

from litestar.config.cors import CORSConfig

from app.core.config import Settings

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
    """None where no origin is allowed: browsers then keep all others out."""
    if not settings.cors_allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_allowed_origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(_SENT),
        expose_headers=list(_SHOWN),
    )
