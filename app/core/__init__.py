"""Settings, errors, logging and tokens. Every other package may import it; it knows neither Litestar nor tables."""
