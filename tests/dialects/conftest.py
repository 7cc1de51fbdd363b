import pytest

from tests.client import Api
from tests.dialects.ticketing_client import Ticketing


@pytest.fixture
def tickets(api: Api) -> Ticketing:
    """A client of an integration of acme's that may do everything, in test mode, at `factories.NOW`."""
    return Ticketing(api)
