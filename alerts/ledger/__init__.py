"""What was decided and who was told: tables, and the few ways to read and write them. Its one writer is `canhbao serve`."""
