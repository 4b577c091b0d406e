"""Traces by OpenTelemetry, if TRACING asks for them: otherwise nothing of it is imported.

The variables that OpenTelemetry itself defines (`OTEL_…`) say where to, and how much. It reads them from the
environment.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from app.postgres.settings_error import SettingsError

if TYPE_CHECKING:
    from structlog.types import Processor

    from app.core.settings import Settings
    from app.core.tracing.provider import Tracing

_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def tracing_of(settings: "Settings") -> "Tracing | None":
    """Return this process's tracing; None unless it is asked for."""
    if not _is_asked_for(settings):
        return None
    # Imported here because it takes time and memory, and may not be installed.
    from app.core.tracing.provider import process_tracing  # noqa: PLC0415

    return process_tracing()


def trace_processors(settings: "Settings") -> "list[Processor]":
    """Return the processors of structlog that add the ids of the trace to what is logged."""
    if not _is_asked_for(settings) or not all(map(_is_installed, _PACKAGES)):
        return []
    # Imported here as above.
    from app.core.tracing.provider import add_trace_ids  # noqa: PLC0415

    return [add_trace_ids]


def tracing_problems(settings: "Settings") -> Iterator[SettingsError]:
    """Yield an error for what keeps traces from being sent as they are asked for."""
    if not _is_asked_for(settings):
        return
    if not all(map(_is_installed, _PACKAGES)):
        remedy = "Install it: `pip install 'plimsoll-backend[otel]'`, or unset TRACING."
        yield SettingsError("TRACING", "is true, and OpenTelemetry is not installed", remedy)
    for variable in _PROTOCOLS:
        if (given := os.environ.get(variable, "").strip()) not in {"", _HTTP}:
            remedy = f"Only {_HTTP} is sent: unset it, and name the collector's port for that (4318, usually)."
            yield SettingsError(variable, f"is {given!r}", remedy)
    for variable in _ENDPOINTS:
        given = os.environ.get(variable, "").strip()
        if given and not given.startswith(("http://", "https://")):
            yield SettingsError(
                variable, "is no URL of HTTP", "Set it to one such as http://collector.example.com:4318."
            )


def _is_asked_for(settings: "Settings") -> bool:
    return settings.tracing and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
