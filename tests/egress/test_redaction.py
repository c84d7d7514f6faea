import pytest

from tieline.egress.redaction import for_log
from tieline.protocols.http import HttpRequest


def test_the_log_says_where_to_and_how_it_went_and_nothing_else() -> None:
    request = HttpRequest(
        "POST", "https://user:s3cret@api.example:8443/s3cret?key=s3cret#s3cret", (("X-Key", "s3cret"),), b"s3cret"
    )

    assert for_log(request, status=201, milliseconds=12) == {
        "method": "POST",
        "scheme": "https",
        "host": "api.example",
        "port": 8443,
        "status": 201,
        "milliseconds": 12,
    }


@pytest.mark.parametrize("url", ["https://[s3cret/", "https://a.example:s3cret/", "https://a.example:99999/"])
def test_a_url_that_cannot_be_read_is_left_out(url: str) -> None:
    assert for_log(HttpRequest("GET", url)) == {"method": "GET"}
