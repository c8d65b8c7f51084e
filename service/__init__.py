"""Wiring only: settings, clock, broker, supervisor, command line. Imports all rooms; nobody imports it."""
