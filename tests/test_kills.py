"""Commands that are killed at random moments and called again end as if nothing had happened."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from own import LEMMA, changed

from experiments.command.tools import EXAMPLES
from experiments.results.store import load_data

PRESETS = "{name: Settings(trials=1957) for name in ('smoke', 'course', 'paper')}"
GROWS = changed(
    ("    trial=trial,\n", f"    trial=trial,\n    presets={PRESETS},\n"),
    ("from theory.claims", "from theory.settings import Count, Settings\nfrom theory.claims"),
    ("(key, (N,))", "(key, (settings.n,))"),
    ("\n\ndef trial", "\n\n@dataclass(frozen=True)\nclass Settings(Settings):\n"
     "    n: Count = 100\n\n\ndef trial"),
    ("import jax\nimport", "from dataclasses import dataclass\n\nimport jax\nimport"),
)  # fmt: skip
SLOW = (EXAMPLES / "experiment.txt").read_text(encoding="utf-8").replace("NAME", "own.slow")
# A cell is kept where it took a second.
SLOW = SLOW.replace("    def cell(n):\n", "    def cell(n):\n        time.sleep(1.1)\n")
SLOW = SLOW.replace("from dataclasses", "import time\nfrom dataclasses")

COMMANDS = {
    "verify": ("verify", "grows.py", "lemma.py", "--json"),
    "run": ("run", "slow.py"),
    "figures": ("figures", "slow.py"),
    "sweep": ("sweep", "grows.py", "--n", "10,100", "--seeds", "2"),
}
KILLS = {"verify": 8, "run": 8, "figures": 7, "sweep": 7}
"""At thirty moments, by turns by the system and as by Ctrl-C."""


def left(name: str, out: Path, stdout: str):
    """All that a command leaves, without times."""
    if name == "verify":
        return [verdict | {"seconds": None} for verdict in json.loads(stdout)["verdicts"]]
    if name == "sweep":
        folder = out / "sweeps" / "mine.bound"
        return [(folder / file).read_bytes() for file in ("table.csv", "sweep.json", "figure.png")]
    stored = load_data(out / "own.slow" / "data.nc")
    assert stored is not None
    pictures = [(out / "own.slow" / file).read_bytes() for file in ("result.json", "figure.png")]
    return [stored[0].to_dict(), stored[1], stdout, *pictures]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_and_called_again(name, environment, tmp_path):
    for file, text in (("grows", GROWS), ("lemma", LEMMA), ("slow", SLOW)):
        (tmp_path / f"{file}.py").write_text(text, encoding="utf-8")

    def start(out: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "experiments", *COMMANDS[name], "--out", str(out)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
        )

    stdout, said = start(tmp_path / "whole").communicate()
    whole = left(name, tmp_path / "whole", stdout)
    began = time.monotonic()
    start(tmp_path / "again").communicate()  # with its programs compiled, as all that follow
    lasts = time.monotonic() - began
    rng = random.Random(name)
    for kill in range(KILLS[name]):
        how = (signal.SIGKILL, signal.SIGINT)[kill % 2]
        out, moment = tmp_path / str(kill), rng.uniform(0, lasts)
        process = start(out)
        time.sleep(moment)
        process.send_signal(how)
        _, said = process.communicate()
        print(f"{name} after {moment:.1f} of {lasts:.1f} s, {how.name}: {process.returncode}")
        # Where Python itself is not up yet it ends in its own way, and where all is done with 0.
        if how is signal.SIGINT and said.startswith("relu-theory"):
            assert process.returncode == 130 and said.count("\n") == 1
        assert process.returncode != 2, said
        again = start(out)
        stdout, said = again.communicate()
        assert again.returncode == 0, (kill, said)
        assert "damaged" not in said, (kill, said)
        assert left(name, out, stdout) == whole, kill
