"""All routes: the list of what is served, and the middleware and checks that surround it."""

from typing import Any

from litestar import Request, Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from app.api.activity import ActivityController
from app.api.agent_view import agent_view
from app.api.agents import AgentController
from app.api.approvals import ApprovalController
from app.api.board_groups import BoardGroupController, GroupHeartbeatController
from app.api.boards import BoardController
from app.api.custom_fields import CustomFieldController
from app.api.dashboard import DashboardController
from app.api.health import health, healthz, readyz
from app.api.http.admission import Admission
from app.api.http.auth import AuthMiddleware
from app.api.http.body import JsonRequest
from app.api.http.etag import ETagMiddleware, check_if_match
from app.api.http.idempotency import Idempotency, store_answer
from app.api.http.metrics import metrics
from app.api.http.query_parameters import check_query
from app.api.invites import InviteController
from app.api.members import MemberController
from app.api.memory import MemoryController
from app.api.openapi.page import page_assets, show_page
from app.api.operations.routes import operations_page
from app.api.organizations import OrganizationController
from app.api.snapshots import BoardSnapshotController, GroupSnapshotController
from app.api.streams import StreamController, provide_opening
from app.api.tags import TagController
from app.api.tasks import TaskController
from app.api.tokens import TokenController
from app.api.users import BootstrapController, UserController
from app.api.webhooks import WebhookController
from app.core.security import InviteTokens
from app.core.settings import Settings

_CONTROLLERS = (
    UserController,
    BootstrapController,
    TokenController,
    OrganizationController,
    MemberController,
    InviteController,
    BoardController,
    BoardGroupController,
    GroupHeartbeatController,
    MemoryController,
    BoardSnapshotController,
    GroupSnapshotController,
    TaskController,
    TagController,
    CustomFieldController,
    AgentController,
    ApprovalController,
    WebhookController,
    ActivityController,
    DashboardController,
    StreamController,
)


def route_handlers(settings: Settings) -> list[ControllerRouterHandler]:
    """Return all route handlers. Those under /api/v1 need a token."""
    secret = settings.secret_key
    assert secret is not None, "create_app gives it one"
    tokens = InviteTokens(secret.reveal())

    async def before(request: Request[Any, Any, Any]) -> None:
        await check_query(request)
        await check_if_match(request)

    api = Router(
        "/api/v1",
        route_handlers=[*_CONTROLLERS, agent_view()],
        dependencies={
            "invite_tokens": Provide(lambda: tokens, sync_to_thread=False),
            "opening": Provide(provide_opening, sync_to_thread=False),
        },
        # Health and metrics are outside of it, so that they answer under any load.
        middleware=[Admission(settings), AuthMiddleware(settings), ETagMiddleware(), Idempotency(secret.reveal())],
        before_request=before,
        after_request=store_answer,
        request_class=JsonRequest,
    )
    # Elsewhere the bare address may be a front end's, and a probe of it should see that there is none.
    only_in_dev = [show_page] if settings.is_dev else []
    return [health, healthz, readyz, metrics, api, page_assets(), operations_page(), *only_in_dev]
