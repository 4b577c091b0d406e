"""Apply and revert revisions.

An upgrade, from file to file:

    on_cli_init             of DatabasePlugin (app/db/plugin.py), or of litestar_plugin.py in other projects, adds the
                            group of commands
      -> cli/litestar_group.py   makes the group, which loads the configuration for the command that is called
      -> cli/group.py       imports that command. `python -m` comes here by cli/main.py
      -> cli/upgrade.py     on a terminal, or with a backup: commands.py plans, on a connection and with a Deadline
                            (locking/deadline.py) of its own; the command asks; backup/backup.py takes the backup. The
                            revisions of this plan are the agreed ones
      -> commands.py        hands configuration, phase and agreed revisions on in Alembic's configuration
                            (revisions/alembic_config.py). startup.py begins here
      -> alembic.command    entered because only Alembic runs the project's env.py, which knows the models. `alembic
                            upgrade` begins here
      -> migrations/env.py  calls run_environment() with a function that loads the configuration, for `alembic` alone:
                            the configuration that commands.py has handed in comes first
      -> alembic_env.py     run_environment() loads the revisions (revisions/loading.py) and opens a connection
      -> executor.py        StepExecutor starts the Deadline of its two plans and of the wait for the lock. It plans:
                            it checks the database's state (revisions/schema_state.py), and asks Alembic for the steps;
                            planned_steps.py keeps those up to the phase. ROLLBACK.
                            Without steps, and with no partition to make, it ends here: nothing waits for the lock
      -> locking/silence_guard.py   refuses a read-only server, limits the session (session_limits.py), takes the lock
                            (locking/migration_lock.py), and ends the session where it falls silent
    under the lock:
      -> executor.py        plans again, ROLLBACK; require_plan_unchanged refuses revisions that nobody agreed to.
                            _prepare has data_loss.py refuse a downgrade that would lose data. It makes the history's
                            table, and marks what was interrupted: COMMIT. preview/losses.py counts and logs what an
                            upgrade removes. leftovers.py mends indexes that a failed step the other way has left,
                            outside of a transaction. A rehearsal (preview/rehearsal.py) takes over before all of this
      for each revision:
        reset_session       undoes what the revision before has SET, and sets the limits again: COMMIT
        _record_begin       backfill/status.py refuses a revision whose backfill is not finished; revisions/history.py
                            records the begin: COMMIT of its own, one record shared by all retries
        for each attempt:
          -> alembic        entered again, for this step alone, in one transaction:
               revisions/requirements.py refuses a database that is not as the revision requires, once;
               require_lock, the limits of the statements, the revision itself, require_lock again;
               statement_guard.py sets limits, waits longer after long work, lifts them for CONCURRENTLY and VALIDATE,
               and refuses a COMMIT; concurrent_statements.py goes on from what an earlier attempt has left;
               partitioned_tables.py does on the partitions what a partitioned table refuses;
               Alembic sets the version table; revisions/history.py records the end
                            COMMIT, made by Alembic: revision, version and end record together
          -> locking/retries.py   where the table was in use: ROLLBACK. It limits the session again (limit_session),
                            which may be silent for the pause, too: COMMIT. It pauses, and the next attempt begins,
                            with longer waits if the table has been in use for some time
          -> executor.py    after another error, or the last attempt: ROLLBACK. It records the failure: COMMIT. It
                            raises what failures.py says; of a lost connection the error itself
      -> partitions/maintenance.py   makes the partitions that are missing, each in a transaction of its own

Autocommit blocks, as for CONCURRENTLY, come first in a revision, and commit each statement by itself.
A downgrade takes the same way. printed_sql.py takes the executor's place for `--sql`,
printed_checks.py has what that script checks by itself, and printed_partitions.py what it does on partitions.
README.md of the engine says why, in "How an upgrade runs".
"""
