"""How a noun's method that describes a call becomes one that makes it: at once on a Wire, awaited on an AsyncWire."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from tieline.client.call import Call
from tieline.client.wire import AsyncWire, Wire

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W", Wire, AsyncWire)


class Noun(Generic[W]):
    """Methods marked `verb` or `lines` are pure: they return the Call that is made for whoever calls them."""

    def __init__(self, wire: W) -> None:
        self.wire = wire


class verb(Generic[P, T]):  # reads as a decorator
    """A call that gives a value."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, noun: Noun[Wire], owner: object = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, noun: Noun[AsyncWire], owner: object = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, noun: Noun[Any], owner: object = None) -> Callable[P, Any]:
        def made(*args: P.args, **kwargs: P.kwargs) -> Any:
            return noun.wire.run(self._describe(noun, *args, **kwargs))

        return update_wrapper(made, self._describe)


class lines(Generic[P]):  # reads as a decorator
    """A call whose answer is read line by line."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[Any]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, noun: Noun[Wire], owner: object = None) -> Callable[P, Iterator[str]]: ...
    @overload
    def __get__(
        self, noun: Noun[AsyncWire], owner: object = None
    ) -> Callable[P, Coroutine[Any, Any, AsyncIterator[str]]]: ...
    def __get__(self, noun: Noun[Any], owner: object = None) -> Callable[P, Any]:
        def made(*args: P.args, **kwargs: P.kwargs) -> Any:
            return noun.wire.lines(self._describe(noun, *args, **kwargs))

        return update_wrapper(made, self._describe)
