"""Text with half an emoji in it: a surrogate alone, which JSON can spell and no UTF-8 can hold."""


def replaced(text: str) -> str:
    r"""Return text with a question mark for each lone surrogate.

    >>> replaced("x\ud83d")
    'x?'
    """
    return text.encode("utf-8", "replace").decode()


def left_out(text: str) -> str:
    r"""Return text without its lone surrogates.

    >>> left_out("x\ud83d")
    'x'
    """
    return text.encode("utf-8", "ignore").decode()
