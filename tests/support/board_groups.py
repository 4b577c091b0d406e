"""What several tests need of board groups."""

GROUPS = "/api/v1/board-groups"
