"""The campaign against the server in small."""

import pytest
from faults import server


@pytest.mark.slow
def test_bad_clients_break_no_promise_of_the_server() -> None:
    found = server.run(reduced=True)
    assert found["found"] == []
    assert found["slow clients"] == 40 and found["malformed requests"] == 60
    assert "200: " in found["statuses"] and "400: " in found["statuses"]
