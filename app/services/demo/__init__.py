"""A made-up organization of any size, for trying the service out and for measuring it."""
