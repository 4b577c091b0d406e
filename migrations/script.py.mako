<%!
    import app.migrator.revisions.ids  # the hook of alembic.ini
    from app.migrator.autogenerate.header import split_header
%>\
<% modules, declared = split_header(imports or "") %>\
"""${message.rstrip(".")}.

Revision: ${up_revision}
Revises: ${down_revision | comma,n}
Created: ${create_date}
"""

import sqlalchemy as sa
from alembic import op
${modules}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# The rule: while you deploy, the previous release runs on this schema, too.
#   "expand"    it still works afterwards: what it reads is there, and what it writes is accepted.
#   "contract"  it does not: something that it uses is dropped, renamed or narrowed. Never in the release that stops
#               using it, but in a later one.
# `litestar database lint` looks whether it is true.
% if not declared and isinstance(down_revision, tuple):
# Joining heads changes nothing. With steps of its own, say which of the two they are.
phase = "expand"
% elif not declared:
# Which of the two is it? Before it says so, no command that looks at the schema or changes it works, and no server
# starts.
phase = None
# Where its steps rely on the data: requires = "SELECT …", "what is wrong where that is not true".
% else:
# This is what the generated steps look like. Is it so? "Reviewing a revision" in migrations/docs/writing-revisions.md
# has the questions.
${declared}
% endif


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
