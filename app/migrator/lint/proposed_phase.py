"""The phase that a generated revision has until somebody has read it."""

from types import ModuleType

from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from ..phase import Phase
from ..revisions.loading import oldest_first
from .known_schema import parse_revisions
from .rules import RULES

_FILE = """
import sqlalchemy as sa
from alembic import op
{imports}
down_revision = None
phase = "expand"

def upgrade():
    {upgrades}
"""


def propose_phase(config: Config, imports: str, upgrades: str) -> Phase:
    """Return EXPAND if `lint` would find no contract step in it, CONTRACT otherwise, also if it cannot be read.

    `imports` and `upgrades` are the code that autogenerate has written.
    """
    generated = ModuleType("generated")
    try:
        exec(_FILE.format(imports=imports, upgrades=upgrades), generated.__dict__)  # noqa: S102 - a revision, as others
    except Exception:  # noqa: BLE001 - a type that is not imported, for instance: the maintainer who reads the file mends it
        return Phase.CONTRACT
    directory = ScriptDirectory.from_config(config)
    *_, revision = parse_revisions([*oldest_first(directory), Script(generated, "generated", "generated.py")])
    is_expand = revision.sql is not None and not any(RULES["contract-step-in-expand"](revision))
    return Phase.EXPAND if is_expand else Phase.CONTRACT
