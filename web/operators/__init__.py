"""What operators open: the table of alarms, and the interface by which pages and command line act."""
