from plimsoll_migrator import MigratorConfig, Phase, run_environment

import app

run_environment(
    lambda: MigratorConfig.from_environment(
        app.Book.metadata,
        default_phase=Phase.EXPAND,
        version_table="alembic_versions",
        command="litestar database",
        has_alembics=True,
    )
)
