"""From changes to people: alarms, notices, texts, delivery. Imports `rules` and `devices`."""
