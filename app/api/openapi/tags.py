"""The tags of operations, in the order of the interactive page: first what a new client needs."""

from litestar.openapi.spec import Tag

TAGS = [
    Tag("users", "The caller, and their personal access tokens."),
    Tag("organizations", "The organizations of the caller: members, invites, roles, and which one is active."),
    Tag("board-groups", "Boards that belong together, with a summary of their tasks."),
    Tag("boards", "Boards: the places of tasks, each with its own rules for them."),
    Tag("tasks", "The tasks of a board, with comments and dependencies."),
    Tag("tags", "Coloured labels of an organization, for its tasks."),
    Tag("custom-fields", "Fields that an organization adds to the tasks of chosen boards."),
    Tag("approvals", "Questions of agents that people approve or reject, about tasks of a board."),
    Tag("agents", "The agents of a board, as people manage them: their tokens, heartbeats and who leads."),
    Tag("agent", "What an agent may do, with its own token, on its own board."),
    Tag("board-memory", "Notes that a board keeps for the people and agents who work on it."),
    Tag("board-group-memory", "Notes that a group of boards keeps, for all of its boards."),
    Tag("board-webhooks", "Addresses at which other systems deliver events to a board, and what they delivered."),
    Tag("activity", "What happened on the boards that the caller may read, newest first."),
    Tag("metrics", "The dashboard: key figures of tasks and approvals, and how they developed."),
    Tag("health", "Whether the process is alive, and whether it can serve requests."),
]
