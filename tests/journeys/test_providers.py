"""Documents from the design, as they were written there: registered, connected and used without a change."""

import pytest
import yaml

from tieline import Reference
from tieline.errors import InvalidProvider, NotConnectable, NotFound, RateLimited
from tieline.testing import PracticeProvider, practice_document, serve

from .places import World

pytestmark = pytest.mark.anyio

CUSTOM = yaml.safe_load("""
name: My Custom API
category: custom
authType: api_key
apiKey:
  location: header
  keyName: X-API-Key
  testEndpoint: https://api.example.com/health
  testMethod: GET
  testExpectedStatus: [200]
rateLimits: {requestsPerMinute: 60}
""")
