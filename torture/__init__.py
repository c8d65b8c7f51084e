"""Runs that try to break each promise: kills, full disks, broken connections, wrong clocks, hostile input, hours."""
