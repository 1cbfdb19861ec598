"""Requests that the server's own description allows, which schemathesis makes from it."""

from collections import Counter
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings


def statuses_of(url: str, count: int) -> Counter[int]:
    """Return the statuses of at least so many requests, 0 where the connection ends."""
    found = Counter[int]()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    cases = [each.ok().as_strategy() for each in schema.get_all_operations()]

    def ask(case: Any) -> None:
        try:
            found[case.call().status_code] += 1
        except requests.RequestException:
            found[0] += 1

    number = 0
    while found.total() < count:  # an operation without parameters has one case
        for each in cases:
            limited = settings(
                max_examples=max(1, min(500, count - found.total())),
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            seed(number)(limited(given(case=each)(ask)))()
        number += 1
    return found
