"""Connects at start-up with pymilvus, as the article's application did; then searches vectors."""

NAME = "milvus"
PLACE = 6
PARAMETERS = {}
PACKAGES = ("grpcio", "pymilvus")
PACKAGES_BY = {}
COMPANION = "milvus"
DISK = False
CPU_BOUND = False
ALONE = "its companion is never idle"
SERVICE_S = None

PORT = 19530
COLLECTION, FIELD, DIMENSION = "items", "vector", 8
SEARCH = {"metric_type": "L2", "params": {"nprobe": 4}}
#: The companion's vectors are (n, n, …): nearest to (5, 5, …) is number 5.
NEAREST = 5


def make(_parameters):
    """Connect, then search."""
    from pymilvus import Collection, connections

    connections.connect(host="127.0.0.1", port=str(PORT))
    collection = Collection(COLLECTION)
    vector = [float(NEAREST)] * DIMENSION

    def work():
        found = collection.search([vector], FIELD, SEARCH, limit=1)[0].ids[0]
        if found != NEAREST:
            raise RuntimeError("Milvus answered %r, not %r" % (found, NEAREST))

    return work
