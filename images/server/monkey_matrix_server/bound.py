"""What was bound before gevent's patch and is still in use: functions, and locks that were made.

Such a lock is the kernel's: who waits for it stops every greenlet of the thread, and one that may
be taken again by its owner admits all of them, for they have one thread, and so does one
`threading.local` serve them all. It looks into modules and
the objects in them, and calls nothing of theirs but what a lock answers whether it is held.
"""

import os
import re
import sys

#: Modules that keep the originals on purpose.
OWN = ("gevent", "greenlet", "monkey_matrix_server", "zope")
#: Where Python's modules are, and the packages and we: what else is imported is the application's.
INSTALLED = (
    os.path.dirname(os.__file__),
    *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)),
)
#: So deep the objects in an application's modules are looked into: a scoped session of SQLAlchemy
#: has a registry, and that has its values.
DEPTH = 3


class _Slotted:
    __slots__ = ("of",)


#: What a class keeps a slot by.
SLOT = type(_Slotted.of)
#: What a `threading.local` is called here.
LOCAL = "local"
#: What an RLock says of itself.
HELD_TIMES = re.compile(r"RLock object owner=\d+ count=(\d+)")


def saved():
    """Return what gevent's patch replaced, module by module."""
    monkey = sys.modules.get("gevent.monkey")
    return getattr(monkey, "saved", None) or {}


def scan(files):
    """Return the names and locks bound before, and the distribution that each file belongs to."""
    found = {"names": [], "locks": [], "distributions": distributions(files)}
    found["channels"] = channels()
    originals = saved()
    if originals:
        found["names"] = names(originals)
        found["locks"] = locks(originals)
    return found


def names(originals):
    """Return the names of modules that are not patched, with what each is: `time.sleep`."""
    meant = {}
    for module, values in originals.items():
        for name, value in values.items() if isinstance(values, dict) else ():
            current = getattr(sys.modules.get(module), name, None)
            if callable(value) and current is not value:
                meant[id(value)] = (module, name, value)
    found = []
    for module, values in _modules():
        for name, value in values:
            hit = meant.get(id(value))
            if hit and hit[2] is value and hit[0] != module:
                found.append({"module": module, "name": name, "original": "%s.%s" % hit[:2]})
    return found


def locks(originals):
    """Return every native lock in reach of a module, and the values that each thread has alone."""
    kinds = _native_kinds(originals)
    found, seen = [], set()
    for module, values in _modules():
        for name, value in values:
            for path, one in _reach(name, value, DEPTH if _is_application(module) else 1):
                kind = next((kinds[of] for of in type(one).__mro__ if of in kinds), None)
                if kind and id(one) not in seen:
                    seen.add(id(one))
                    told = {"module": module, "name": path, "kind": kind, "held": None}
                    if kind != LOCAL:  # reading one would initialise it in this thread
                        told.update(held=_is_held(one), times=_times(one))
                    found.append(dict(told, importer=importer(module)))
    return found


def channels():
    """Return the gRPC channels that there are, each by a name that leads to it or by none."""
    kind = getattr(sys.modules.get("grpc._channel"), "Channel", None)
    if kind is None:
        return []
    import gc

    made = {id(one): "" for one in gc.get_objects() if type(one) is kind}
    for module, values in _modules() if made else ():
        for name, value in values:
            for path, one in _reach(name, value):
                if made.get(id(one)) == "":
                    made[id(one)] = "%s.%s" % (module, path)
    return sorted(made.values())


def _native_kinds(originals):
    """Return the types of locks that gevent has replaced, with their names."""
    kinds = {}
    thread, threading = originals.get("_thread") or {}, originals.get("threading") or {}
    make = thread.get("allocate_lock") or threading.get("_allocate_lock")
    if make:
        kinds[type(make())] = "Lock"
        module = sys.modules.get("_thread")
        native = thread.get("RLock") or getattr(module, "RLock", None)
        for one in (native, threading.get("RLock"), threading.get("_CRLock")):
            if isinstance(one, type):
                kinds[one] = "RLock"
            elif one is not None:
                kinds[type(one())] = "RLock"
    local = thread.get("_local") or threading.get("local")
    if isinstance(local, type):
        kinds[local] = LOCAL
    if originals.get("queue") and "_queue" in sys.modules:
        kinds[sys.modules["_queue"].SimpleQueue] = "SimpleQueue"
    return kinds


def _reach(name, value, depth=1):
    """Yield a value and what is in it, so deep and each once: a lock is often an attribute."""
    found, seen = [(name, value)], set()
    for level in range(depth + 1):
        yield from found
        found = [] if level == depth else [one for each in found for one in _inside(*each, seen)]


def _inside(name, value, seen):
    """Return the attributes of an object, without asking it; none where they were seen before."""
    kind = type(value)  # an `isinstance` would ask the object
    if getattr(kind, "__module__", "") in ("builtins", "types") or id(value) in seen:
        return []
    if issubclass(kind, (type, type(sys))):
        return []
    seen.add(id(value))
    try:
        inside = list(object.__getattribute__(value, "__dict__").items())
    except AttributeError:
        inside = []
    return [("%s.%s" % (name, key), one) for key, one in (*inside, *_in_slots(value))]


def _in_slots(value):
    """Yield what an object has without a dictionary."""
    for kind in type(value).__mro__:
        own = kind.__dict__
        slots = own.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            slot = own.get(name)
            if type(slot) is SLOT:
                try:
                    yield name, slot.__get__(value)
                except AttributeError:  # which has no value yet
                    continue


def _is_application(name):
    """Whether a module is of neither Python, an installed package nor ours."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(file) and not file.startswith(INSTALLED)


def _is_held(lock):
    """Say whether a lock is held at this moment; None where that cannot be told."""
    if hasattr(lock, "locked"):
        return bool(lock.locked())
    text = repr(lock)
    return text.startswith("<locked") if "locked" in text else None


def _times(lock):
    """Say how often over a lock is held that its owner may take again."""
    found = HELD_TIMES.search(repr(lock))
    return int(found.group(1)) if found else 0


def _modules():
    """Return every module that may hold something, with what is in it."""
    for name, module in list(sys.modules.items()):
        if module is None or name.partition(".")[0] in OWN:
            continue
        values = getattr(module, "__dict__", None)
        if values:
            yield name, list(values.items())


def importer(name):
    """Return the module that imported another, as far as can be told.

    Modules are listed in the order in which their imports ended: a module that imports another is
    after it, but for one that has its package, and makes it import the other later.
    """
    wanted = sys.modules.get(name)
    package = sys.modules.get(name.rpartition(".")[0])
    before, is_after = None, False
    for other, values in _modules():
        if other == name:
            if before:
                return before
            is_after = True
            continue
        if name.startswith(other + ".") or other.startswith(name + "."):
            continue
        has_it = any(v is wanted or getattr(v, "__module__", None) == name for _, v in values)
        if is_after and has_it:
            return other
        if not is_after and (has_it or any(v is package for _, v in values if v is not None)):
            before = other
    return None


# -- distributions ---------------------------------------------------------------------------------


def distributions(files):
    """Return (name, version) of the distribution that each file and module is of, by its RECORD."""
    found = {}
    wanted = {os.path.realpath(file): file for file in files}
    for directory in list(sys.path):
        try:
            infos = [one for one in os.listdir(directory or ".") if one.endswith(".dist-info")]
        except OSError:
            continue
        inside = os.path.join(os.path.realpath(directory or "."), "")
        here = {}
        for path, file in wanted.items():
            if path.startswith(inside):
                here.setdefault(path[len(inside) :], []).append(file)
        for name in list(sys.modules):
            here.setdefault(_module_path(name, inside), []).append(name)
        here.pop("", None)
        for info in infos if here else ():
            try:
                with open(os.path.join(directory, info, "RECORD"), encoding="utf-8") as file:
                    record = {line.rpartition(",")[0].rpartition(",")[0] for line in file}
            except OSError:
                continue
            name, _, version = info[: -len(".dist-info")].partition("-")
            for path in record.intersection(here):
                found.update((one, (name, version)) for one in here[path])
    return found


def _module_path(name, inside):
    """Return where a module's file is below a directory, "" for others."""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return file[len(inside) :] if file.startswith(inside) else ""
