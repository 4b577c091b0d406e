"""What each rule finds, why that matters, and what to do instead."""

from ...postgres.errors import DatabaseError
from . import squawk
from .finding import READ_ON


class UnknownRuleError(DatabaseError):
    """A rule that somebody asks about is neither ours nor squawk's."""

    exit_code = 2


def explain(rule: str) -> tuple[str, ...]:
    """Return what the rule finds, why, and the safe rewrite, a line each. Raises UnknownRuleError."""
    if rule in _EXPLANATIONS:
        what, why, rewrite = _EXPLANATIONS[rule]
        return (what, f"Why: {why}", f"Instead: {rewrite}")
    if not squawk.is_rule(rule):
        raise UnknownRuleError(f"There is no rule {rule!r}. Ours: {', '.join(_EXPLANATIONS)}. The others are squawk's.")
    off = [f"It is off: {choice.why}." for choice in squawk.OFF if rule in choice.rules]
    on = [f"It is on in expand revisions: {choice.why}." for choice in squawk.ON if rule in choice.rules]
    return (
        f"{rule} is a rule of squawk's.",
        *off,
        *on,
        f"{READ_ON.format(rule=rule)} has what, why and the safe rewrite.",
    )


# What it finds, why, and the safe rewrite.
_EXPLANATIONS: dict[str, tuple[str, str, str]] = {
    "contract-step-in-expand": (
        "A step in an expand revision after which the previous release may not work.",
        "While a release is rolled out the previous one still runs, on the schema that the expand revisions have made.",
        "Take away in a contract revision of a later release. What the previous release bears: lint_ignore, with why.",
    ),
    "not-null-without-check": (
        "SET NOT NULL, or PRIMARY KEY USING INDEX, of a column that no validated CHECK keeps from being NULL.",
        "Every row is read under a lock that stops reads and writes of the table.",
        "CHECK (column IS NOT NULL) NOT VALID in one revision, VALIDATE CONSTRAINT in the next, then SET NOT NULL, that"
        " reads nothing any more, and DROP CONSTRAINT.",
    ),
    "concurrently-not-alone": (
        "Another statement beside one that runs outside a transaction.",
        "What runs outside a transaction cannot be rolled back: a failure or a kill leaves a revision half done.",
        "A revision for each. DROP INDEX CONCURRENTLY IF EXISTS of the same index may come before its build;"
        " several VALIDATE CONSTRAINT may be together.",
    ),
    "backfill-in-revision": (
        "UPDATE, DELETE, MERGE or INSERT … ON CONFLICT DO UPDATE of a table that was there before.",
        "It is one transaction: each row stays locked until the revision is over, and dead rows pile up.",
        "A backfill works in batches, and a later contract revision requires it.",
    ),
    "table-locked": (
        "A statement that stops the traffic of a whole table for longer than a moment: it writes the table anew, reads"
        " all of it, or keeps its lock.",
        "Requests queue behind the lock until they run into their own limits.",
        "CONCURRENTLY where PostgreSQL has that; for a new value of every row a column without it, and a backfill; for"
        " a partition a table of its own, and ATTACH PARTITION.",
    ),
    "several-tables-locked": (
        "A second table in use that is locked: altered, given a trigger, or referred to by a new foreign key.",
        "While the revision waits for the second one, the first stays locked, and its traffic waits for somebody else's"
        " transaction. Two such revisions and requests can also end in a deadlock.",
        "A revision for each table. A foreign key locks two by itself, which is fine.",
    ),
    "validated-under-lock": (
        "VALIDATE CONSTRAINT after a statement that locks a table in use, or beside another action of its statement; a"
        " CHECK in ADD COLUMN.",
        "VALIDATE reads every row beside traffic, but what was locked before stays locked for as long.",
        "VALIDATE CONSTRAINT in a revision of its own. A CHECK of a new column: NOT VALID after ADD COLUMN, then so.",
    ),
    "limit-lifted": (
        "lock_timeout, statement_timeout or idle_in_transaction_session_timeout set to more than the engine's default.",
        "The limits are what ends a revision before requests do, and a migration whose host is gone.",
        "Leave it out. Where one revision needs longer, set DB_MIGRATE_STATEMENT_TIMEOUT for that upgrade.",
    ),
    "partitioned-table": (
        "An index or a constraint of a partitioned table that the server refuses, or that locks every partition.",
        "USING INDEX is not there for partitioned tables, nor is CONCURRENTLY for DROP INDEX; an index without"
        " CONCURRENTLY, or a constraint at once, locks all partitions until the last is done.",
        "CREATE INDEX CONCURRENTLY, which the upgrade does on each partition (a constraint: ALTER TABLE ONLY before"
        " it). A foreign key: NOT VALID, then VALIDATE CONSTRAINT.",
    ),
    "added-in-contract": (
        "A column or a table that a contract revision adds beside the step that makes it one.",
        "A release that needs it can start only after the contract revisions, after which the previous release cannot"
        " run: there is no moment at which both can, so that the rollout has a gap.",
        "Add it in an expand revision, which comes before.",
    ),
    "rename-loses-data": (
        "A column or table that is dropped while one of the same type, or with similar columns, is added, and a column"
        " that takes the name of one that was dropped.",
        "Alembic writes a rename so. What the old one held is gone, if nothing has copied it.",
        "make-migrations --rename writes a new column, a trigger that keeps both equal, a backfill, and the drop in a"
        " contract revision. Two different things: lint_ignore, with that as the reason.",
    ),
    "dropped-but-used": (
        "A column or table that is dropped and that the models still have.",
        "This release reads and writes it, and fails once the revision has run.",
        "Take it out of the models in a release before the one that drops it.",
    ),
    "dropped-too-soon": (
        "With --base: a column or table that is dropped, and that only this branch takes out of the models.",
        "The release that runs was made from the base, whose models have it, and so it may read and write it.",
        "Take it out of the models in one release, and drop it in a contract revision of a later one.",
    ),
    "block-of-code": (
        "DO, CALL, a function that may do anything, a statement that the linter does not know, SET search_path.",
        "What it does and what it locks cannot be read from it.",
        "Write its statements out, or say in lint_ignore what it does and why that is fine.",
    ),
    "cannot-run-offline": (
        "A revision that looks at the database.",
        "Its SQL is not known before it runs, so that nobody can review it, and nothing of it was checked.",
        "Take what looks at the database out of it: work on rows is a backfill.",
    ),
    squawk.SYNTAX_ERROR: (
        "SQL that squawk, which knows PostgreSQL's grammar, cannot read.",
        "The revision fails where it runs, or nothing was checked of what comes after.",
        "Correct it. If PostgreSQL can run it (an upgrade of a copy shows it): lint_ignore, with that as the reason.",
    ),
    "several-heads": (
        "Several revisions after which none comes.",
        "An upgrade to head does not know which is meant.",
        "Join them with a merge revision.",
    ),
    "revision-id": (
        "A revision id that no command can use: too long, twice there, or with signs that Alembic misreads.",
        "The database stores it in 32 characters, and Alembic leaves out one of two files with the same id.",
        "Change it in the file, and in down_revision of the one that follows, before it is applied.",
    ),
    "outdated-baseline": (
        "A baseline that replaces revisions of which one has changed, has come or has gone since it was written.",
        "An upgrade of an empty database leaves it out, and runs the revisions one by one.",
        "Put the revisions back as they were, or delete the baseline and write it again.",
    ),
    "edited-after-applied": (
        "A file that differs from the one that the database has run, or, with --base, from that branch's.",
        "The database will not run it again, so that it is not what the files say.",
        "Put the file back, and say what is new in a revision of its own.",
    ),
    "lint-ignore": (
        "A suppression without a reason, of an unknown rule, or of one that finds nothing.",
        "A reason that nobody wrote helps no reviewer, and a suppression too many hides the next finding.",
        'lint_ignore = {"rule": "why it is fine here, in a sentence"}, or remove it.',
    ),
}
