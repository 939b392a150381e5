"""Images and their names, on an engine in memory that takes archives apart as a real one does."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from runner.build import archive
from runner.build import prepare as preparing
from runner.build.application_image import ApplicationImage
from runner.build.bases import BaseImage, BaseRequest, NoBaseError, base_of_cells
from runner.build.bytecode import Sources
from runner.build.images import (
    ImageMaker,
    cell_recipe,
    environment_recipe,
    loadgen_recipe,
    remove_images,
)
from runner.build.layers import END, Layer, shared_layers, whole
from runner.build.lock import Lock
from runner.build.prepare import Prepared, prepare
from runner.build.recipe import KEY_LABEL, Image, Recipe, cell_reference, ensure
from runner.build.wheels import Wheel, archived
from runner.engine.protocol import EngineImage
from runner.errors import EngineError
from runner.matrix.cell import Base, Cell, EnvironmentRequest, Requirement
from runner.matrix.servers import Server
from runner.matrix.values import Workload
from runner.stages import Stages
from tests.support.memory_engine import MemoryEngine, silent

BASE = BaseImage(reference="below", image_id="sha256:below", key="below", origin="debian")
LOCK = Lock(request=EnvironmentRequest(python="3.11", requirements=()), platform="p", text="")


class Watched(MemoryEngine):
    """Keeps each build's context; may refuse to load, or load something else."""

    contexts: dict[str, dict[str, tarfile.TarInfo]]
    offline: dict[str, bool]
    refuses: str = ""
    instead: Mapping[str, EngineImage] | None = None

    def build(
        self,
        context: Iterator[bytes],
        reference: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        *,
        offline: bool = False,
    ) -> str:
        data = b"".join(context)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            self.offline[reference] = offline
            self.contexts[reference] = {member.name: member for member in tar}
        return super().build(iter([data]), reference, labels, arguments, offline=offline)

    def load(self, archive: Iterator[bytes]) -> None:
        if self.refuses:
            raise EngineError(self.refuses)
        super().load(archive)
        for name, image in (self.instead or {}).items():
            self.known_images[name] = image


@pytest.fixture
def engine() -> Watched:
    made = Watched(silent)
    made.contexts, made.offline = {}, {}
    made.known_images["below"] = EngineImage(
        id="sha256:below", layers=("sha256:base",), config={"Env": ["PATH=/usr/bin"]}
    )
    return made


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Path, ...]:
    site = tmp_path / "site"
    site.mkdir()
    (site / "flask.py").write_text("import this\n")
    path = tmp_path / "flask-3.1-0.tar"
    path.write_bytes(b"".join(archived(site)))
    return (path,)


def cell(*names: str, seconds: str = "0.5") -> Cell:
    return Cell(
        python="3.11",
        patch="gevent+grpc",
        server=Server(name="werkzeug"),
        workload=Workload(parameters=(("seconds", seconds),)),
        concurrency=1,
        requests=1,
        requirements=tuple(Requirement(name=name, specifier="==1.0.0") for name in names),
        varied=(*names, "seconds"),
    )


def recipes(packed: tuple[Path, ...] = ()) -> list[Recipe]:
    """An environment and two cells of it."""
    layers = shared_layers({"x": packed})["x"]
    environment = environment_recipe(LOCK, layers, BASE)
    cells = (cell_recipe("x", cell(seconds=seconds), environment) for seconds in ("1", "2"))
    return [environment, *cells]


def make(
    engine: MemoryEngine, wanted: list[Recipe]
) -> tuple[dict[str, Image | EngineError], list[str]]:
    """What became of the recipes, and the messages meanwhile."""
    messages: list[str] = []
    return ImageMaker(engine, messages.append).make(wanted), messages


def test_an_environment_and_its_cells_are_loaded_in_one_call(
    engine: Watched, packed: tuple[Path, ...]
) -> None:
    environment, *cells = recipes(packed)
    made, messages = make(engine, [environment, *cells])
    assert (engine.calls, messages) == ({"load": 1}, [])
    loaded = {reference: engine.known_images[reference] for reference in made}
    keys = {recipe.reference: recipe.key for recipe in (environment, *cells)}
    assert {name: image.labels[KEY_LABEL] for name, image in loaded.items()} == keys
    assert len({image.layers for image in loaded.values()}) == 1
    assert len(engine.layers) == 2, "a cell is its environment and some variables"
    assert [image.config["Env"][-1] for image in loaded.values()] == [
        "PYTHONUNBUFFERED=1",
        "MATRIX_WORKLOAD_SECONDS=1",
        "MATRIX_WORKLOAD_SECONDS=2",
    ]


def test_a_loaded_layer_holds_what_the_context_of_a_build_does(
    engine: Watched, packed: tuple[Path, ...]
) -> None:
    environment, *_ = recipes(packed)
    make(engine, recipes(packed))
    ensure(engine, replace(environment, reference="built"))
    loaded: dict[str, tuple[int, int]] = {}
    for layer in engine.layers.values():
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            loaded |= {m.name: (m.mode, m.size) for m in tar}
    built = {name: (m.mode, m.size) for name, m in engine.contexts["built"].items()}
    del built["Dockerfile"]
    assert loaded == built
    names = ("main.py", "contract.py", "servers/__init__.py")
    program = {f"server/monkey_matrix_server/{name}" for name in names}
    assert {"site/flask.py", *program, "data"} <= set(built)


def test_ids_repeat_wherever_images_are_loaded(packed: tuple[Path, ...]) -> None:
    ids = []
    for _ in range(2):
        engine = MemoryEngine(silent)
        engine.known_images["below"] = EngineImage(id="sha256:below", layers=("sha256:base",))
        ids.append(
            {
                n: i.image_id
                for n, i in make(engine, recipes(packed))[0].items()
                if isinstance(i, Image)
            }
        )
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3


def test_a_second_time_makes_nothing(engine: Watched) -> None:
    first, _ = make(engine, recipes())
    engine.calls.clear()
    assert make(engine, recipes())[0] == first
    assert engine.calls == {}


def test_only_what_is_missing_is_loaded_on_what_is_there(engine: Watched) -> None:
    environment, one, two = recipes()
    make(engine, [environment, one])
    engine.layers.clear()
    made, messages = make(engine, [environment, one, two, loadgen_recipe((), BASE)])
    assert messages == []
    assert len(engine.layers) == 1, "the agent's"
    assert all(isinstance(image, Image) for image in made.values())


def test_an_engine_that_does_not_load_builds_and_says_so_once(engine: Watched) -> None:
    engine.refuses = "open present/layer.tar: no such file or directory"
    messages: list[str] = []
    maker = ImageMaker(engine, messages.append)
    for wanted in (recipes(), [loadgen_recipe((), BASE), *recipes()]):
        made = maker.make(wanted)
        assert all(isinstance(image, Image) for image in made.values())
    assert engine.calls == {"build": 4}
    assert len(messages) == 1
    assert engine.refuses in messages[0]


def test_what_needs_a_builder_is_built_and_the_rest_is_loaded_upon_it(
    engine: Watched, packed: tuple[Path, ...]
) -> None:
    environment, *cells = recipes(packed)
    edited = replace(environment, dockerfile=f"{environment.dockerfile}RUN something\n")
    made, messages = make(engine, [edited, *cells, loadgen_recipe((), BASE)])
    assert (engine.calls, messages) == ({"build": 1, "load": 1}, [])
    assert all(isinstance(image, Image) for image in made.values())
    assert engine.known_images[cells[0].reference].layers == (
        f"sha256:layer-of-{edited.reference}",
    )


def test_cells_of_an_image_that_cannot_be_built_fail_with_it_alone(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> str:
        raise EngineError("something: not found")

    monkeypatch.setattr(engine, "build", build)
    environment, *cells = recipes()
    edited = replace(environment, dockerfile=f"{environment.dockerfile}RUN something\n")
    sidecar = loadgen_recipe((), BASE)
    made, messages = make(engine, [edited, *cells, sidecar])
    assert messages == []
    assert isinstance(made[sidecar.reference], Image)
    for cell in cells:
        assert "something: not found" in str(made[cell.reference])


def test_an_image_stands_on_the_base_that_it_was_planned_for(engine: Watched) -> None:
    """Even where its name is given to another one meanwhile."""
    wanted = recipes()
    engine.known_images["sha256:below"] = engine.known_images["below"]
    engine.known_images["below"] = EngineImage(id="sha256:other", layers=("sha256:other",))
    make(engine, wanted)
    assert engine.known_images[wanted[0].reference].layers[0] == "sha256:base"


def test_that_it_does_not_load_is_said_once_although_two_find_out(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_load = threading.Barrier(2, timeout=30)

    def refuse(_: object) -> None:
        both_load.wait()
        raise EngineError("no")

    monkeypatch.setattr(engine, "load", refuse)
    messages: list[str] = []
    maker = ImageMaker(engine, messages.append)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(maker.make, [[loadgen_recipe((), BASE)], recipes()]))
    assert len(messages) == 1


def test_a_layer_that_the_engine_lacks_is_a_reason_to_build(engine: Watched) -> None:
    """Its own double refuses the archive, as Docker does after the base was removed by hand."""
    engine.known_images["below"] = EngineImage(id="sha256:below", layers=("sha256:base",))
    planned = archive.plan(engine, recipes())
    engine.known_images["below"] = EngineImage(id="sha256:other", layers=("sha256:other",))
    with pytest.raises(EngineError, match=r"open present/layer\.tar: no such file"):
        engine.load(iter(planned))


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        (EngineImage(id="x", config={"Labels": {KEY_LABEL: "another"}}), "is another image"),
        (EngineImage(id="x", layers=("sha256:y",)), "has other layers"),
    ],
)
def test_images_that_are_not_what_was_loaded_are_built(
    engine: Watched, instead: EngineImage, why: str
) -> None:
    environment, *cells = recipes()
    if instead.layers:
        instead = EngineImage(
            id="x", layers=instead.layers, config={"Labels": dict(environment.labels)}
        )
    engine.instead = {environment.reference: instead}
    _, messages = make(engine, [environment, *cells])
    assert why in messages[0]


def test_an_image_that_is_missing_after_loading_is_built(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "load", lambda _: None)
    monkeypatch.setattr(archive.ImageArchive, "layers_of", lambda *_: ())
    made, messages = make(engine, recipes())
    assert "is missing after images were loaded" in messages[0]
    assert all(isinstance(image, Image) for image in made.values())


def test_a_full_disk_is_worth_no_build_and_says_what_helps(engine: Watched) -> None:
    engine.refuses = "loading images: write /layer: no space left on device"
    made, messages = make(engine, recipes())
    assert (engine.calls.get("build"), messages) == (None, [])
    assert all("docker system df" in str(error) for error in made.values())


def test_a_full_disk_is_named_by_a_build_too(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise EngineError("write /site: no space left on device")

    monkeypatch.setattr(engine, "build", full)
    with pytest.raises(EngineError, match="docker system df"):
        ensure(engine, loadgen_recipe((), BASE))


def test_a_cell_without_its_environment_says_why_that_failed(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, *_ = recipes()
    engine.refuses = "no"

    def build(_c: object, reference: str, *_: object, **__: object) -> str:
        raise EngineError(f"{reference} cannot be built")

    monkeypatch.setattr(engine, "build", build)
    made, _ = make(engine, recipes())
    assert len(set(map(str, made.values()))) == 1
    assert f"{environment.reference} cannot be built" in str(made[environment.reference])


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_a_containers_user_can_read_its_files_whatever_the_umask(engine: Watched) -> None:
    for recipe in (recipes()[0], loadgen_recipe((), BASE)):
        ensure(engine, recipe)
        modes = {member.mode for member in engine.contexts[recipe.reference].values()}
        assert modes <= {0o755, 0o644}


def test_another_base_or_lock_or_program_is_another_image(tmp_path: Path) -> None:
    other_base = BaseImage(reference="below", image_id="sha256:below", key="other", origin="debian")
    other_lock = Lock(request=LOCK.request, platform="p", text="flask==3.1.2\n")
    (tmp_path / "main.py").write_text("print('another program')\n")
    made = [
        environment_recipe(LOCK, (), BASE),
        environment_recipe(LOCK, (), other_base),
        environment_recipe(other_lock, (), BASE),
        environment_recipe(LOCK, (), BASE, tmp_path),
    ]
    assert len({recipe.reference for recipe in made}) == len(made)


def test_how_packages_are_divided_into_layers_does_not_name_an_image(
    packed: tuple[Path, ...],
) -> None:
    one = environment_recipe(LOCK, (Layer(title="all", packed=packed),), BASE)
    assert one.reference == environment_recipe(LOCK, (), BASE).reference


def test_a_tag_is_the_cells_id_in_an_engines_letters() -> None:
    name = cell_reference("My Experiment", cell("gevent"))
    assert name.startswith(
        "localhost/monkey-matrix/cell-my-experiment:py3.11-gevent1.0.0-gevent_grpc"
    )


def test_ids_longer_than_a_tag_stay_apart() -> None:
    shared = [f"a-package-with-a-long-name-{n}" for n in range(6)]
    names = [cell_reference("x", cell(*shared, last)) for last in ("one", "two")]
    tags = [name.partition(":")[2] for name in names]
    assert tags[0] != tags[1]
    assert {len(tag) for tag in tags} == {128}


def test_every_image_of_the_project_is_removed(engine: Watched) -> None:
    make(engine, recipes())
    removed, used = remove_images(engine)
    assert sorted(removed) == sorted(["below", *(r.reference for r in recipes())])
    assert used == []
    assert engine.known_images == {}


# -- everything of a run ---------------------------------------------------------------------------


def prepared(
    engine: Watched,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    wheels: Mapping[str, EngineError] | None = None,
    bases: Mapping[str, EngineError] | None = None,
    application: ApplicationImage | None = None,
) -> Prepared:
    """Two cells of two environments; some distributions or base images cannot be had."""
    cells = [cell("flask"), cell("gevent")]
    locks = {
        c.environment: Lock(
            request=c.environment,
            platform="p",
            text=f"{c.requirements[0].name}==1.0.0 \\\n    --hash=sha256:00\n",
        )
        for c in cells
    }

    def pack_all(wanted: list[Wheel], _: Path) -> dict[Wheel, Path | EngineError]:
        return {w: (wheels or {}).get(w.pinned.name) or packed_as(w) for w in wanted}

    def packed_as(wheel: Wheel) -> Path:
        site = tmp_path / f"{wheel.pinned.name}-site"
        site.mkdir(exist_ok=True)
        (site / f"{wheel.pinned.name}.py").write_text("")
        (tmp_path / wheel.file_name).write_bytes(b"".join(archived(site)))
        return tmp_path / wheel.file_name

    def ensure_bases(
        _: object, requests: tuple[BaseRequest, ...], *__: object
    ) -> dict[BaseRequest, BaseImage | EngineError]:
        return {r: (bases or {}).get(r.name) or BASE for r in requests}

    def compile_all(
        _: object, __: object, wanted: Iterable[Sources], *, cache: Path
    ) -> dict[str, Path]:
        sources = {one.name: cache / f"compiled-{one.name}" for one in wanted}
        for path in sources.values():
            path.write_bytes(whole("site/of.pyc", b"") + END)
        return sources

    monkeypatch.setattr(preparing, "pack_all", pack_all)
    monkeypatch.setattr(preparing, "compile_all", compile_all)
    monkeypatch.setattr(preparing, "ensure_bases", ensure_bases)
    messages: list[str] = []
    return prepare(
        engine,
        cells,
        locks,
        experiment="x",
        base=Base(kind="debian"),
        cache=tmp_path,
        stages=Stages(messages.append),
        application=application,
    )


def names(cells: Mapping[Cell, object]) -> set[str]:
    return {c.requirements[0].name for c in cells}


def test_a_run_has_an_image_for_each_cell(
    engine: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = prepared(engine, monkeypatch, tmp_path)
    assert names(made.cells) == {"flask", "gevent"}
    assert set(made.bases) == {"3.11"}
    assert len(made.environments) == 2
    assert {image.reference for image in made.cells.values()} <= set(engine.known_images)
    assert made.loadgen.reference in engine.known_images


def test_a_distribution_that_cannot_be_installed_fails_its_cells_alone(
    engine: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = prepared(engine, monkeypatch, tmp_path, wheels={"gevent": EngineError("no wheel")})
    assert names(made.cells) == {"flask"}
    assert {c.requirements[0].name: why for c, why in made.failed.items()} == {"gevent": "no wheel"}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(NoBaseError("no suite"), "unavailable"), (EngineError("no import"), "failed")],
)
def test_without_a_base_image_its_cells_are_not_to_be_had(
    engine: Watched,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: EngineError,
    outcome: str,
) -> None:
    made = prepared(engine, monkeypatch, tmp_path, bases={"py3.11": error})
    assert names(getattr(made, outcome)) == {"flask", "gevent"}
    assert made.cells == {}


# -- with an application of the user's -------------------------------------------------------------


def steps_of(packed: tuple[Path, ...], *prepare: str) -> tuple[list[Recipe], list[Recipe]]:
    """An environment with an application on it, and two cells."""
    image = ApplicationImage(source=None, prepare=prepare)
    environment, *_ = recipes(packed)
    own = [image.recipe(environment, packed[0].parent)]
    own += [image.prepared(own[0])] if prepare else []
    return [environment, *own], [cell_recipe("x", cell(seconds=s), own[-1]) for s in ("1", "2")]


def test_an_application_without_commands_is_loaded_with_its_cells(
    engine: Watched, packed: tuple[Path, ...]
) -> None:
    below, cells = steps_of(packed)
    made, messages = make(engine, [*below, *cells])
    assert (engine.calls, messages) == ({"load": 1}, [])
    config = engine.known_images[cells[0].reference].config
    assert (config["WorkingDir"], config["User"]) == ("/application", "7001:7001")
    assert all(isinstance(image, Image) for image in made.values())


def test_commands_are_built_on_what_was_loaded_and_the_cells_loaded_on_that(
    engine: Watched, packed: tuple[Path, ...]
) -> None:
    below, cells = steps_of(packed, "make")
    made, messages = make(engine, [*below, *cells, loadgen_recipe((), BASE)])
    assert (engine.calls, messages) == ({"load": 2, "build": 1}, [])
    assert list(made) == [r.reference for r in (*below, *cells, loadgen_recipe((), BASE))]
    built = f"sha256:layer-of-{below[-1].reference}"
    assert engine.known_images[cells[0].reference].layers == (built,)
    assert engine.offline == {below[-1].reference: True}


def test_a_command_that_fails_leaves_no_cell_and_is_run_once(
    engine: Watched, packed: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    builds: list[str] = []

    def build(_c: object, reference: str, *_: object, **__: object) -> str:
        builds.append(reference)
        raise EngineError("Step 1/1 : RUN make\nno\nThe command 'x' returned a non-zero code: 2")

    monkeypatch.setattr(engine, "build", build)
    below, cells = steps_of(packed, "make")
    made, messages = make(engine, [*below, *cells, loadgen_recipe((), BASE)])
    assert (builds, messages) == ([below[-1].reference], [])
    for one in (below[-1], *cells):
        told = "`application.prepare`: `make` failed with status 2: no"
        assert str(made[one.reference]) == told
    assert isinstance(made[below[1].reference], Image)


def test_nothing_is_loaded_on_what_stands_on_a_failure(
    engine: Watched, packed: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> str:
        raise EngineError("something: not found")

    monkeypatch.setattr(engine, "build", build)
    [environment, application], cells = steps_of(packed)
    edited = replace(environment, dockerfile=f"{environment.dockerfile}RUN something\n")
    made, messages = make(engine, [edited, application, *cells, loadgen_recipe((), BASE)])
    assert messages == []
    for one in (edited, application, *cells):
        assert "something: not found" in str(made[one.reference])


def test_a_run_with_an_application_has_one_image_per_environment(
    engine: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = ApplicationImage(source=None, debian=("file", "git"), prepare=("make",))
    made = prepared(engine, monkeypatch, tmp_path, application=image)
    assert names(made.cells) == {"flask", "gevent"}
    own = [name for name in engine.known_images if "/application:" in name]
    assert len(own) == 4
    for one in made.cells.values():
        layers = engine.known_images[one.reference].layers
        assert layers[0].startswith("sha256:layer-of-localhost/monkey-matrix/application:")
    assert set(made.bases) == {"3.11"}
    asked = base_of_cells("3.11", ["git", "file"]).name
    made = prepared(
        engine, monkeypatch, tmp_path, application=image, bases={asked: NoBaseError("no")}
    )
    assert names(made.unavailable) == {"flask", "gevent"}
