"""Makes calls with alpaca-py through a gateway: `alpaca_calls.py ADDRESS KEY_ID SECRET`.

Prints a line for each: the name, and what reached the API, or the status and code of the refusal."""

import sys

from alpaca.broker.client import BrokerClient
from alpaca.broker.enums import JournalEntryType
from alpaca.broker.requests import CreateJournalRequest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

ID = "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69"


def main():
    address, key_id, secret = sys.argv[1:]
    # It sends the pair as Basic.
    broker = BrokerClient(key_id, secret, raw_data=True, url_override=address)
    stranger = BrokerClient(key_id, "wrong", raw_data=True, url_override=address)
    # It sends the pair in headers of its own, and asks for /v2 unless it is told otherwise.
    trading = TradingClient(key_id, secret, raw_data=True, url_override=address)
    journal = CreateJournalRequest(
        from_account=ID, entry_type=JournalEntryType.CASH, to_account=ID, amount=1
    )
    calls = {
        "account": lambda: broker.get_trade_account_by_id(ID),
        "asset": lambda: broker.get_asset("BTC%2FUSD"),
        "position": lambda: broker.close_position_for_account(ID, "AAPL"),
        "journal": lambda: broker.create_journal(journal),
        "stranger": lambda: stranger.get_trade_account_by_id(ID),
        "headers": lambda: trading.get("/clock", api_version="v1"),
        "other_version": trading.get_account,
    }
    for name, call in calls.items():
        try:
            seen = call()
            print(name, seen["method"], seen["target"])
        except APIError as error:
            print(name, error.status_code, error.code)


main()
