"""A call to a gRPC upstream that answers after `seconds`, as plain bytes, without protobuf.

`call` is `unary`, one answer, or `stream`, three answers spread over the time. With `ready` the
channel is waited for at start-up, as many clients do (`grpc.channel_ready_future`). One channel
serves all requests, as gRPC's guides recommend.
"""

NAME = "grpc"
PLACE = 4
PARAMETERS = {"seconds": 2.0, "call": ("unary", "stream"), "ready": False}
PACKAGES = ("grpcio",)
PACKAGES_BY = {}
COMPANION = "grpc"
DISK = False
CPU_BOUND = False
ALONE = None
SERVICE_S = "seconds"

PORT = 7802


def make(parameters):
    """Open the channel, then call."""
    import grpc

    channel = grpc.insecure_channel("127.0.0.1:%d" % PORT)
    if parameters["ready"] == "true":
        grpc.channel_ready_future(channel).result()
    request = parameters["seconds"].encode()
    if parameters["call"] == "stream":
        stream = channel.unary_stream("/upstream.Upstream/Stream")
        return lambda: _expect(b"".join(stream(request)), 3 * request)
    unary = channel.unary_unary("/upstream.Upstream/Unary")
    return lambda: _expect(unary(request), request)


def _expect(answer, expected):
    if answer != expected:
        raise RuntimeError("the upstream answered %r, not %r" % (answer, expected))
