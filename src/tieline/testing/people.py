"""The three people who have an account at the practice provider."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """`email` is what names a person everywhere in this package; `id` is what the API tells."""

    id: str
    name: str
    email: str


PEOPLE = {
    person.email: person
    for person in (
        Person("person-1", "Ada Brightwater", "ada@practice.example"),
        Person("person-2", "Bo Lindqvist", "bo@practice.example"),
        Person("person-3", "Chidi Eze", "chidi@practice.example"),
    )
}
