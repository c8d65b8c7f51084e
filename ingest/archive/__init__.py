"""Where readings stay: the SQLite store beside us, and the port through which everybody reads it."""
