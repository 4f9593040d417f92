"""The host against its own past: what changes is seen and explained, what does not is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from crowds import Crowd
from proctop.alerts import Alerts
from proctop.hostwatch import HOSTS, SHARE, WARM_UP, HostWatch
from proctop.records import HOST, AlertEvent, Batch, DiskCounters, HostCounters, HostScores, NetCounters, Pressure, Reading, Vital
from proctop.vitals import host_rates
