"""`matrix run`: expand → select → lock → build → measure → collate."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from runner.engine import ownership
from runner.engine.docker_engine import DockerEngine
from runner.environments.prepare import Prepared, prepare
from runner.errors import EngineError, InterruptedRunError
from runner.measurement import estimate
from runner.measurement.ceiling import AbOpening
from runner.measurement.clock import SystemClock
from runner.measurement.coschedule import Jobs
from runner.measurement.launch import LaunchResult
from runner.measurement.probe import ab_opening
from runner.measurement.rounds import Method, measure
from runner.progress import Reporter
from runner.report.render import render, write_tables
from runner.spec.cell import Cell, Experiment
from runner.store.results import check_results
from runner.store.run_directory import RunDirectory
from runner.workflow.choice import Choice, expand
from runner.workflow.engine import usable_engine
from runner.workflow.locking import CACHE, LockedCells, lock
from runner.workflow.record import finished, run_record
