import pytest

from tieline import catalog
from tieline.manifest.resolve import load, resolve
from tieline.manifest.support import not_yet
from tieline.manifest.validate import find_faults

SLUGS = sorted(catalog.versions())


def test_the_three_templates_are_there():
    assert {"rest-api-bearer", "webhook-hmac", "oauth2-standard"} <= set(SLUGS)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_document_has_no_fault(slug):
    assert [fault for fault in find_faults(catalog.document(slug)) if fault.severity == "error"] == []


@pytest.mark.parametrize("slug", SLUGS)
def test_a_documents_id_is_the_name_of_its_file(slug):
    assert catalog.document(slug)["id"] == slug


@pytest.mark.parametrize("slug", SLUGS)
def test_a_document_resolves_and_can_be_connected(slug):
    manifest = load(resolve(catalog.document(slug)))

    assert manifest.is_template or any(not not_yet(manifest, method) for method in manifest.auth)
    assert manifest.name
    assert manifest.version == catalog.versions()[slug]


def test_a_document_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        catalog.document("never-there")
