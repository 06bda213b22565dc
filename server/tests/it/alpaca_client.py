"""Prints the first call of each method of alpaca-py's BrokerClient: its name, the HTTP method, the path.

Nothing is sent. Values are taken from what each parameter is said to be."""

import inspect
import typing
import uuid
from unittest import mock

from alpaca.broker.client import BrokerClient
from alpaca.common.rest import RESTClient

ID = "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69"


class Called(Exception):
    """A call that would have been sent."""


def record(_session, method, url, **_options):
    raise Called(method, "/" + url.split("/", 3)[3])


def value(name, annotation):
    kinds = typing.get_args(annotation) or (annotation,)
    if "symbol" in name:
        return "BTC%2FUSD"
    if uuid.UUID in kinds:
        return ID
    if str in kinds:
        return "text"
    if typing.get_origin(annotation) is list:
        return []
    request = mock.MagicMock(spec=kinds[0])
    request.to_request_fields = lambda: {"any": "thing"}
    return request


def main():
    client = BrokerClient("key", "secret")
    own = {name for name, _ in inspect.getmembers(RESTClient, inspect.isfunction)}
    with mock.patch("requests.Session.request", record):
        for name, method in inspect.getmembers(client, inspect.ismethod):
            if name.startswith("_") or name in own:
                continue
            parameters = inspect.signature(method).parameters.values()
            needed = [p for p in parameters if p.default is p.empty or "id" in p.name.split("_")]
            try:
                result = method(**{p.name: value(p.name, p.annotation) for p in needed})
                if result is not None:
                    # Some methods call only once their answer is read.
                    next(result)
                print(name)
            except Called as called:
                print(name, *called.args)


main()
