from models import Base
from plimsoll_migrator import MigratorConfig, Phase, run_environment

run_environment(lambda: MigratorConfig.from_environment(Base.metadata, default_phase=Phase.EXPAND, release="7"))
