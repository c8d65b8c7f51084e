"""The ways to people, one file each: port.py says what a channel is, catalogue.py knows all of them."""
