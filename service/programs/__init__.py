"""The four programs: each module has `run(settings, clock) -> int`, which returns when the program was asked to end."""
