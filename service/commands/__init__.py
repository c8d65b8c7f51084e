"""The commands beside the programs, by who needs them. They import nothing heavy until they are called."""
