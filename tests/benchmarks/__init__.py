"""What the service does in a second, and how that compares: `uv run python -m tests.benchmarks`."""
