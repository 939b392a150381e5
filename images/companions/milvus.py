"""Milvus, the real server out of its wheel, with one loaded collection of 1,000 vectors.

Vector number n is (n, n, …), so that a search shows whether it was answered by these data.
"""

PYTHON = "3.11"
PACKAGES = {
    "milvus": "==2.3.5",
    "pymilvus": "==2.3.7",
    "marshmallow": "<4",
    "setuptools": "<70",
}
#: pymilvus takes any newer protobuf, and works with those of its time.
EXCLUDE_NEWER = "2024-06-01"
DEBIAN = ()
MEMORY_MIB = 4096
STARTUP_S = 180

PORT = 19530
DATA = "/tmp/milvus"
COLLECTION, FIELD, DIMENSION, COUNT = "items", "vector", 8, 1000


def fill():
    """Make the collection, its index, and load it into memory."""
    from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections

    connections.connect(host="127.0.0.1", port=str(PORT))
    number = FieldSchema("number", DataType.INT64, is_primary=True)
    vector = FieldSchema(FIELD, DataType.FLOAT_VECTOR, dim=DIMENSION)
    collection = Collection(COLLECTION, CollectionSchema([number, vector]))
    numbers = list(range(COUNT))
    collection.insert([numbers, [[float(n)] * DIMENSION for n in numbers]])
    collection.flush()
    index = {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 16}}
    collection.create_index(FIELD, index)
    collection.load()
    search = {"metric_type": "L2", "params": {"nprobe": 4}}
    found = collection.search([[5.0] * DIMENSION], FIELD, search, limit=1)[0].ids
    if list(found) != [5]:
        raise RuntimeError("Milvus answers a search for number 5 by %r" % (found,))


def main():
    """Serve until killed; print the ready line when a search is answered."""
    from contract import COMPANION_READY
    from milvus import MilvusServer

    server = MilvusServer()
    server.set_base_dir(DATA)
    server.listen_port = PORT
    server.start()
    fill()
    print(COMPANION_READY, flush=True)
    raise SystemExit(server.server_proc.wait() or 1)


if __name__ == "__main__":
    main()
