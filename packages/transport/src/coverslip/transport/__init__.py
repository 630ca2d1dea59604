"""Sockets, processes and keys: all that a pipeline and a viewer need to reach each other.

A viewer subclasses `ZMQServer`; a pipeline finds it (`find`, `list_connections`) or starts it
(`launch`, `wait_ready`), asks it things (`request`, `ping`), sends it messages (`Publisher`) and
stops it (`stop`). What the messages mean is not known here: there is no image in this package.
"""

from coverslip.transport.channel import Answered, Channel
from coverslip.transport.client import ping, request
from coverslip.transport.connection import (
    Connection,
    find,
    is_serving,
    list_connections,
    log_folder,
    runtime_folder,
)
from coverslip.transport.connection import read as read_connection
from coverslip.transport.connection import remove as remove_connection
from coverslip.transport.connection import write as write_connection
from coverslip.transport.delivery import CLOSED, LOST, Delivery, Ledger
from coverslip.transport.dispatch import Answer
from coverslip.transport.endpoint import CONTROL_OFFSET, SCHEME, Endpoint, check_port
from coverslip.transport.errors import (
    AddressError,
    LaunchError,
    NoServer,
    NotListening,
    PortTaken,
    ProtocolError,
    QueueFull,
    Refused,
    RequestRefused,
    RequestTimeout,
    StopError,
    TransportError,
)
from coverslip.transport.identity import Identity, identify, is_alive
from coverslip.transport.keys import KeyPair
from coverslip.transport.messages import (
    LARGEST_REQUEST,
    PROTOCOL_VERSION,
    Attach,
    Attached,
    Clear,
    Counts,
    Detach,
    Done,
    Enclosed,
    Failure,
    Flush,
    Message,
    Picture,
    Ping,
    Pong,
    Reply,
    Report,
    Request,
    Screenshot,
    Shutdown,
    Status,
    Usage,
    decode_reply,
    decode_request,
    encode,
)
from coverslip.transport.parent import die_with_parent, launching_parent
from coverslip.transport.ports import is_loopback, outward_addresses, port_holder
from coverslip.transport.process import (
    Launched,
    launch,
    new_launch_id,
    new_log,
    stop,
    wait_ready,
)
from coverslip.transport.publisher import Publisher, PublisherState
from coverslip.transport.server import ZMQServer
from coverslip.transport.sockets import LARGEST_REPLY

__all__ = [
    "CLOSED",
    "CONTROL_OFFSET",
    "LARGEST_REPLY",
    "LARGEST_REQUEST",
    "LOST",
    "PROTOCOL_VERSION",
    "SCHEME",
    "AddressError",
    "Answer",
    "Answered",
    "Attach",
    "Attached",
    "Channel",
    "Clear",
    "Connection",
    "Counts",
    "Delivery",
    "Detach",
    "Done",
    "Enclosed",
    "Endpoint",
    "Failure",
    "Flush",
    "Identity",
    "KeyPair",
    "LaunchError",
    "Launched",
    "Ledger",
    "Message",
    "NoServer",
    "NotListening",
    "Picture",
    "Ping",
    "Pong",
    "PortTaken",
    "ProtocolError",
    "Publisher",
    "PublisherState",
    "QueueFull",
    "Refused",
    "Reply",
    "Report",
    "Request",
    "RequestRefused",
    "RequestTimeout",
    "Screenshot",
    "Shutdown",
    "Status",
    "StopError",
    "TransportError",
    "Usage",
    "ZMQServer",
    "check_port",
    "decode_reply",
    "decode_request",
    "die_with_parent",
    "encode",
    "find",
    "identify",
    "is_alive",
    "is_serving",
    "is_loopback",
    "launch",
    "launching_parent",
    "list_connections",
    "log_folder",
    "new_launch_id",
    "new_log",
    "outward_addresses",
    "ping",
    "port_holder",
    "read_connection",
    "remove_connection",
    "request",
    "runtime_folder",
    "stop",
    "wait_ready",
    "write_connection",
]
