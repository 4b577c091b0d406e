"""The command line beside `litestar database`: work on the data of an installation, with its rules."""
