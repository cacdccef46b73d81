"""The one exception craterlab raises for anything the user can put right."""


class CraterlabError(Exception):
    """Wrong input: the message says what was got, what was wanted and what to type next."""
