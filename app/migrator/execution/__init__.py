"""Apply and revert revisions.

An upgrade, from file to file:

    cli/upgrade.py, startup.py or `alembic upgrade`
      -> commands.py        hands phase and agreed revisions on in Alembic's configuration (revisions/alembic_config.py)
      -> alembic.command    entered because only Alembic runs the project's env.py, which knows the models
      -> alembic_env.py     run_environment() loads the revisions (revisions/loading.py) and opens a connection
      -> executor.py        StepExecutor checks the database's state (revisions/schema_state.py), and asks Alembic for
                            the steps; planned_steps.py keeps those up to the phase
      -> locking/silence_guard.py   takes the lock (locking/migration_lock.py) and ends a session that falls silent
      -> executor.py        plans again. For each step: backfill/status.py refuses one whose backfill is not finished,
                            revisions/history.py records its begin, statement_guard.py sets the limits
      -> alembic            entered again, one step at a time: it runs the revision and sets the version table
      -> executor.py        records the end in the same transaction, or retries (locking/backoff.py), or fails with a
                            message from failures.py; at last partitions/maintenance.py makes missing partitions

A downgrade takes the same way, once data_loss.py has nothing against it.
README.md of the engine says why, in "How an upgrade runs". printed_sql.py takes the executor's place for `--sql`.
"""
