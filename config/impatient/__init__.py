"""Django's PostgreSQL for a web process without a pool. See ``config.patience``."""
