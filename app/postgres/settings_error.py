"""What is wrong with a setting, such as a database URL."""

from typing import ClassVar


class SettingsError(Exception):
    """A setting that is wrong: what it is named, what it held, what it may hold. Never a secret's value."""

    exit_code: ClassVar[int] = 2

    def __init__(self, variable: str, problem: str, remedy: str) -> None:
        self.variable = variable
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{variable} {problem}. {remedy}")
