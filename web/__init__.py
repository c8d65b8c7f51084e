"""What people open: the residents' page and the open interface (`public`), the operators' table and acting interface (`operators`)."""
