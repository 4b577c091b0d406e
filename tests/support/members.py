"""What several tests need of members."""

ORGANIZATION = "/api/v1/organizations/me"


MEMBERS = f"{ORGANIZATION}/members"


LOCK_ORGANIZATION = "SELECT FROM organizations WHERE id = :id FOR UPDATE"
