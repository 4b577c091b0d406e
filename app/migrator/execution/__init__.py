"""Apply and revert revisions.

An upgrade, from file to file:

    cli/upgrade.py, startup.py
      -> commands.py        hands phase and agreed revisions on in Alembic's configuration (revisions/alembic_config.py)
      -> alembic.command    where `alembic upgrade` starts, too; entered because only Alembic runs the project's env.py,
                            which knows the models
      -> alembic_env.py     run_environment() loads the revisions (revisions/loading.py) and opens a connection
      -> executor.py        StepExecutor plans: it checks the database's state (revisions/schema_state.py), and asks
                            Alembic for the steps; planned_steps.py keeps those up to the phase. ROLLBACK.
                            Without steps, and with no partition to make, it ends here: nothing waits for the lock
      -> locking/silence_guard.py   refuses a read-only server, limits the session (limit_session), takes the lock
                            (locking/migration_lock.py), and ends the session where it falls silent
    under the lock:
      -> executor.py        plans again, ROLLBACK; require_plan_unchanged refuses revisions that nobody agreed to.
                            _prepare makes the history's table, marks what was interrupted: COMMIT
      for each revision:
        reset_session       undoes what the revision before has SET, and sets the limits again: COMMIT
        _record_begin       backfill/status.py refuses a revision whose backfill is not finished; revisions/history.py
                            records the begin: COMMIT of its own, one record shared by all retries
        for each attempt:
          -> alembic        entered again, for this step alone, in one transaction:
               require_lock, the limits of the statements (limit_statements), the revision itself, require_lock again;
               statement_guard.py lifts limits for CONCURRENTLY and VALIDATE, and refuses a COMMIT;
               Alembic sets the version table; revisions/history.py records the end
                            COMMIT, made by Alembic: revision, version and end record together
          -> executor.py    after an error: ROLLBACK. Where the table was in use, it pauses (locking/retries.py) and
                            tries again; else it records the failure, COMMIT, and raises what failures.py says
      -> partitions/maintenance.py   makes the partitions that are missing, each in a transaction of its own

Autocommit blocks, as for CONCURRENTLY, come first in a revision, and commit each statement by itself.
A downgrade takes the same way, once data_loss.py has nothing against it: _prepare asks it, under the lock.
README.md of the engine says why, in "How an upgrade runs". printed_sql.py takes the executor's place for `--sql`.
"""
