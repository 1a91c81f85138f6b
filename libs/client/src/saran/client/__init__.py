"""The API's typed client: `with Client("http://127.0.0.1:8000") as client: client.recommendations("414")`."""

from saran.client.client import Client
from saran.client.errors import ApiAway, ApiError
from saran.client.transport import TIMEOUT

__all__ = ["TIMEOUT", "ApiAway", "ApiError", "Client"]
