"""The text of a plug-in, such as `AggregateKey(aggregate_count('visits'))`, read without running anything.

A text is a literal, or a call of a known name whose arguments are literals or such calls. All of it is read and each
name looked up before the first call is made: a text with a mistake anywhere calls nothing.
"""

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from importer.errors import ImporterError, one_line

Lookup = Callable[[str], Callable[..., Any] | None]
"""What may be called by a name; None if there is nothing of that name."""

MAX_CHARACTERS = 20_000
MAX_DEPTH = 20
"""How many calls, lists and objects may stand in each other."""

_RIGHT = "a plug-in is a call with literals, such as ComputeIdFrom('_timestamp', 'timeSpan')"


class PluginError(ImporterError, ValueError):
    """The text of a plug-in cannot be used, or the plug-in cannot be made of it."""

    def __init__(self, text: object, reason: str) -> None:
        self.text = text
        self.reason = one_line(reason)
        super().__init__(one_line(f"plug-in {text!r:.120}: {self.reason}"))


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was read and is not made yet."""

    function: Callable[..., Any]
    arguments: tuple[object, ...]
    """Literals, and calls."""
    keywords: dict[str, object]

    def make(self) -> Any:
        """Return what the call gives, its arguments' calls made first."""
        arguments = [made(argument) for argument in self.arguments]
        return self.function(*arguments, **{name: made(value) for name, value in self.keywords.items()})


def made(value: object) -> Any:
    """Return a value that was read, with its call made if it is one."""
    return value.make() if isinstance(value, Call) else value


def parse_call(text: object, lookup: Lookup) -> object:
    """Return the Call that a text stands for, or the literal; raises PluginError for anything else."""
    if not isinstance(text, str):
        raise PluginError(text, f"not text; {_RIGHT}")
    if len(text) > MAX_CHARACTERS:
        raise PluginError(text, f"longer than {MAX_CHARACTERS} characters")
    return _Reader(text, lookup).value(_tree(text), MAX_DEPTH)


def _tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes that need not be there
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PluginError(text, f"cannot be read: {reason}; {_RIGHT}") from None
    except (RecursionError, MemoryError):
        raise PluginError(text, "nested too deeply") from None


class _Reader:
    """Reads the tree of one text."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self._text = text
        self._lookup = lookup

    def value(self, node: ast.expr, depth: int) -> object:
        """Return the call or literal of a node."""
        return self._call(node, depth) if isinstance(node, ast.Call) else self._literal(node, depth)

    def _call(self, node: ast.Call, depth: int) -> Call:
        if depth <= 0:
            raise PluginError(self._text, "nested too deeply")
        function = self._function(node.func)
        arguments = tuple(self.value(argument, depth - 1) for argument in node.args)
        keywords: dict[str, object] = {}
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in keywords:
                raise self._error("** is not allowed, nor a keyword twice")
            keywords[keyword.arg] = self.value(keyword.value, depth - 1)
        return Call(function, arguments, keywords)

    def _function(self, node: ast.expr) -> Callable[..., Any]:
        if not isinstance(node, ast.Name):
            raise self._error(f"{type(node).__name__} cannot be called")
        function = self._lookup(node.id)
        if function is None:
            raise PluginError(self._text, f"there is no plug-in {node.id!r:.100}")
        return function

    def _literal(self, node: ast.expr, depth: int) -> object:
        if depth <= 0:
            raise PluginError(self._text, "nested too deeply")
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.List(elts=items):
                return [self._literal(item, depth - 1) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self._literal(item, depth - 1) for item in items)
            case ast.Dict(keys=keys, values=values):
                return {
                    self._key(key): self._literal(value, depth - 1) for key, value in zip(keys, values, strict=True)
                }
        raise self._error(f"{type(node).__name__} is not allowed")

    def _key(self, node: ast.expr | None) -> object:
        if isinstance(node, ast.Constant):
            return self._literal(node, 1)
        raise self._error("the keys of an object are literals")

    def _error(self, reason: str) -> PluginError:
        return PluginError(self._text, f"{reason}; {_RIGHT}")
