"""From the broker's bytes to trusted readings on disk and in the archive. Imports `devices` only; gets the rules through a port."""
