"""All tables; importing this package fills `metadata`."""

from app.models.activity import ActivityEvent
from app.models.agents import Agent, AgentStatus
from app.models.approvals import Approval, ApprovalStatus, ApprovalTask
from app.models.base import Base
from app.models.board_groups import BoardGroup
from app.models.boards import Board
from app.models.custom_fields import CustomField, CustomFieldBoard, CustomFieldValue, FieldType, Visibility
from app.models.idempotency import IdempotentResponse
from app.models.invites import InviteBoardAccess, OrganizationInvite
from app.models.memory import BoardGroupMemory, BoardMemory
from app.models.organizations import BoardAccess, Organization, OrganizationMember, Role
from app.models.rate_limits import RateLimit
from app.models.tags import Tag
from app.models.task_counts import TaskCount
from app.models.tasks import Task, TaskComment, TaskDependency, TaskPriority, TaskStatus, TaskTag
from app.models.tokens import PersonalToken, TokenScope
from app.models.users import User
from app.models.webhooks import SIGNATURE_HEADER, BoardWebhook, BoardWebhookPayload

metadata = Base.metadata

__all__ = (
    "SIGNATURE_HEADER",
    "ActivityEvent",
    "Agent",
    "AgentStatus",
    "Approval",
    "ApprovalStatus",
    "ApprovalTask",
    "Base",
    "Board",
    "BoardAccess",
    "BoardGroup",
    "BoardGroupMemory",
    "BoardMemory",
    "BoardWebhook",
    "BoardWebhookPayload",
    "CustomField",
    "CustomFieldBoard",
    "CustomFieldValue",
    "FieldType",
    "IdempotentResponse",
    "InviteBoardAccess",
    "Organization",
    "OrganizationInvite",
    "OrganizationMember",
    "PersonalToken",
    "RateLimit",
    "Role",
    "Tag",
    "Task",
    "TaskComment",
    "TaskCount",
    "TaskDependency",
    "TaskPriority",
    "TaskStatus",
    "TaskTag",
    "TokenScope",
    "User",
    "Visibility",
    "metadata",
)
