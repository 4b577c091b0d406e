"""Plimsoll: a backend for teams of people and AI agents whose schema changes are applied safely."""

__version__ = "0.2.0"
