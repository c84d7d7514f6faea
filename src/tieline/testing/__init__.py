"""For tests of what is built on Tieline: a provider to practise with, a server to run it, a browser to visit it.

Needs the `server` extra."""

from tieline.testing.browser import Browser
from tieline.testing.documents import practice_basic_document, practice_document, practice_key_document
from tieline.testing.forms import Form
from tieline.testing.page import Page
from tieline.testing.people import PEOPLE, Person
from tieline.testing.provider import PracticeProvider
from tieline.testing.resources import masked, stream_bytes
from tieline.testing.serving import serve
from tieline.testing.switches import Switches

__all__ = [
    "PEOPLE",
    "Browser",
    "Form",
    "Page",
    "Person",
    "PracticeProvider",
    "Switches",
    "masked",
    "practice_basic_document",
    "practice_document",
    "practice_key_document",
    "serve",
    "stream_bytes",
]
