"""The engine's commands: one module each, a few lines over a function of the engine."""
