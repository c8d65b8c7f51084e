"""What residents open: a page rendered once per change and language, the open interface, and what watches the service."""
