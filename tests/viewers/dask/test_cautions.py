"""What a user is warned of, and when not."""

from __future__ import annotations

import pytest
from distributed import Client, LocalCluster, Security

from coverslip.transport import Endpoint
from coverslip.transport.keys import KeyPair
from coverslip.viewers.dask import current_stream, stream_to
from coverslip.viewers.dask.cautions import in_the_clear, out_of_reach
from tests.viewers.dask import tasks


@pytest.mark.parametrize(
    ("addresses", "exposed"),
    [
        (["tcp://127.0.0.1:8786", "tcp://127.0.0.1:40001"], None),
        (["tcp://localhost:8786"], None),
        (["tcp://[::1]:8786"], None),
        (["inproc://10.0.0.1/1/1"], None),
        (["tls://10.0.0.1:8786", "tls://10.0.0.2:1"], None),
        (["wss://cluster.example:8786"], None),
        (["tcp://10.0.0.1:8786"], "tcp://10.0.0.1:8786"),
        (["ws://10.0.0.1:8786"], "ws://10.0.0.1:8786"),
        # A scheduler at a tunnel's end, and workers that are elsewhere all the same.
        (["tcp://127.0.0.1:8786", "tcp://10.0.0.2:1"], "tcp://10.0.0.2:1"),
    ],
)
def test_keys_that_others_could_listen_to(addresses, exposed):
    assert in_the_clear(addresses) == exposed


KEYS = KeyPair.new()
HERE = Endpoint(
    kind="headless",
    host="127.0.0.1",
    port=5580,
    server_key=KEYS.public,
    client_secret=KEYS.secret,
)
ELSEWHERE = HERE.reached_at("10.0.0.1")


@pytest.mark.parametrize(
    ("endpoint", "workers", "said"),
    [
        (HERE, ["tcp://127.0.0.1:1", "inproc://10.0.0.1/1/1"], "it is busy or frozen"),
        (HERE, ["tcp://127.0.0.1:1", "tcp://10.0.0.2:1"], "loopback alone. Start one"),
        (ELSEWHERE, ["tcp://127.0.0.1:1"], "open both ports"),
    ],
)
def test_loopback_is_blamed_only_where_it_may_be_the_reason(endpoint, workers, said):
    told = out_of_reach([endpoint], workers)
    assert said in told
    assert ("loopback" in said) == ("loopback" in told)
    assert "for 10 s" in told


def test_what_cannot_be_is_refused_before_anything_is_sent(client, view):
    with pytest.raises(ValueError, match="budget=0"):
        stream_to(client, view, budget=0)
    with pytest.raises(ValueError, match="budget='a lot' is no size: write it as 4GiB"):
        stream_to(client, view, budget="a lot")


@pytest.mark.allow_leak("threads", "files", reason="the cluster's own, which goes on")
def test_a_budget_is_given_as_a_configuration_has_it(client, view):
    with stream_to(client, view, budget="256 MiB"):
        assert set(client.run(lambda: current_stream().stream.budget).values()) == {256 << 20}


@pytest.mark.allow_leak("threads", "files", reason="distributed keeps thread pools")
def test_keys_travel_by_tls_where_the_cluster_does(view):
    pytest.importorskip("cryptography", reason="makes the test's certificates")
    with (
        LocalCluster(
            n_workers=1,
            processes=False,
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address="localhost:0",
        ) as cluster,
        Client(cluster) as client,
        stream_to(client, view) as streams,
    ):
        assert all(address.startswith("tls://") for address in client.nthreads())
        client.submit(tasks.show, "S01", 5).result(60)
        assert streams.flush(60) == (5, 5, 0, 0)
