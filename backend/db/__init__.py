"""The database: its tables, and how a transaction begins on each dialect."""
