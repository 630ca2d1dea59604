"""A process with an open publisher that forks: run by test_publisher, prints what happened."""

from __future__ import annotations

import gc
import json
import os
import sys
import warnings

import msgspec

from coverslip.transport import Endpoint, NotListening, Publisher, PublisherState
from tests.transport.echo_viewer import Header
from tests.waiting import DEADLINE, eventually


def header(stream: str, number: int) -> bytes:
    return msgspec.msgpack.encode(Header(stream, 0, number))


def listening(endpoint: Endpoint) -> Publisher:
    publisher = Publisher.acquire(endpoint)
    eventually(lambda: publisher.poll() is PublisherState.LISTENING, "a subscription")
    return publisher


def child(endpoint: Endpoint, inherited: Publisher) -> str:
    try:
        inherited.send([b"x"])
    except NotListening:
        pass
    else:
        return "used the parent's socket"
    if inherited.poll() is not PublisherState.LOST:
        return "believes in the parent's socket"
    inherited.release()
    inherited.close()
    own = listening(endpoint)
    if own is inherited:
        return "took the parent's publisher"
    own.send([header("child", 0)])
    own.release(DEADLINE)
    del inherited
    gc.collect()
    return "own, sent"


def main() -> None:
    endpoint = Endpoint.from_url(sys.stdin.read())
    publisher = listening(endpoint)
    publisher.send([header("parent", 0)])
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside a thread; ZeroMQ's are what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.write(write, child(endpoint, publisher).encode())
        sys.exit()  # not os._exit: atexit and collection run over what was inherited
    os.close(write)
    said = os.read(read, 1000).decode()
    status = os.waitpid(pid, 0)[1]
    publisher.send([header("parent", 1)])
    found = "same, listening" if publisher.poll() is PublisherState.LISTENING else "lost"
    found += ", one connection" if publisher.connections == 1 else ", disturbed"
    publisher.release(DEADLINE)
    print(json.dumps({"child": said, "child status": status, "parent": found}))


main()
