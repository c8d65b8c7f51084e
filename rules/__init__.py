"""From readings to changes of level and of freshness. Pure: no I/O, no clock; time arrives as an argument."""
