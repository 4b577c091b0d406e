"""The plugin that surrounds the application with all of this."""

from litestar import Router
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin

from app.api.compatibility.answers import Answers
from app.api.compatibility.document import describe
from app.api.compatibility.gateways import gateway_handlers
from app.api.compatibility.problems import exception_handlers
from app.api.compatibility.requests import LenientRequest
from app.api.openapi.document import DocumentConfig


class MissionControl(InitPlugin):
    """Has the application answer the clients of Mission Control."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        (api,) = (one for one in app_config.route_handlers if isinstance(one, Router) and one.path == "/api/v1")
        api.request_class = LenientRequest
        for handler in gateway_handlers():
            api.register(handler)
        app_config.middleware.append(Answers())
        app_config.exception_handlers = exception_handlers()
        # The same object, since Litestar may have read it already.
        assert isinstance(app_config.openapi_config, DocumentConfig), "as `openapi_config` returns it"
        app_config.openapi_config.amend = describe
        return app_config
