"""The error for a wrong setting, such as a database URL."""

from typing import ClassVar


class SettingsError(Exception):
    """A setting is wrong: its name, what is wrong with it, and what to write instead, but never a secret's value."""

    exit_code: ClassVar[int] = 2

    def __init__(self, variable: str, problem: str, remedy: str) -> None:
        self.variable = variable
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{variable} {problem}. {remedy}")
