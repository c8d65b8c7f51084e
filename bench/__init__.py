"""Measurements of canhbao on this machine: `python -m bench`. Every run proves that nothing is missing before it gives a figure."""
