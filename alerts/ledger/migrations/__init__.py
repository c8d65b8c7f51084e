"""Old form of the ledger -> the form that this program knows. Run by alembic at the start of `canhbao serve`, never by hand."""
