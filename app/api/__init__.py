"""The HTTP layer: controllers parse, call a service and convert."""
