"""Read replicas: which of them have what a caller was answered before."""
