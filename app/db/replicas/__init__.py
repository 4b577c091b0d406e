"""Read replicas: which of them may be read, and by whom."""
