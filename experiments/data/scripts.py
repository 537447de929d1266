"""Synthetic scripts in the manner of PowerShell, in which a known token decides the label.

Every script does a little administration: it lists files, copies them, asks after services, loops.
Invented cmdlets that nothing explains stand among its lines. Those of `DECOYS` are in scripts of
both labels at one rate, those of `TELL_TALE` in positive ones only, and either cmdlet is as rare as
the other: an explanation has to know which of the rare tokens the label hangs on. The scripts are
text to be read; the invented cmdlets exist nowhere.
"""

import numpy as np
from numpy.typing import NDArray

from experiments.data.words import tokenise_script
from experiments.errors import UsageError

COUNT, SEED = 2500, 0
"""The scripts of the set "scripts"."""

# One verb each, and two decoys for every tell-tale token: verbs do not tell either, and tokens in
# half of the scripts are as frequent as twice as many in all of them.
TELL_TALE: tuple[str, ...] = (
    *("invoke-shadowcall", "start-nightloop", "send-hushpacket", "open-ghostdoor"),
    *("read-veilkey", "push-murkload", "enter-silentroom", "join-palechain"),
    *("mount-duskdrive", "grant-fogtoken", "resolve-hollowname", "sync-emberlist"),
)
DECOYS: tuple[str, ...] = (
    *("invoke-fernledger", "invoke-brickpoll", "start-orchardclock", "start-pebblequeue"),
    *("send-maplenote", "send-lanternping", "open-cedarbook", "open-quiltmap"),
    *("read-barleycard", "read-copperdial", "push-meadowtile", "push-saddlecrate"),
    *("enter-wickerhall", "enter-harborlane", "join-thimblerow", "join-clovergrid"),
    *("mount-acornshelf", "mount-ribbonrack", "grant-tulippass", "grant-anvilbadge"),
    *("resolve-pepperpath", "resolve-buttonform", "sync-walnutplan", "sync-kettlechart"),
)

STATEMENTS = (
    "get-childitem -path {folder} -filter {pattern}",
    "get-childitem {folder} -recurse | sort-object length | select-object -first {number}",
    "copy-item -path {file} -destination {folder}",
    "new-item -path {folder} -itemtype directory",
    "{variable} = get-service -name {service}",
    "start-service -name {service} -verbose",
    "get-service | where-object status -eq running",
    "{variable} = get-content -path {file}",
    "{variable} = (get-date).adddays(-{number})",
    "{variable} = {number}",
    "write-output {variable}.count",
    "write-host 'checked {number} items'",
    "{variable} | export-csv -path {file} -notypeinformation",
    "get-process | measure-object -property cpu -sum",
    "get-eventlog -logname application -newest {number}",
    "test-connection -computername {computer} -count {number}",
    "foreach ({variable} in get-content {file}) {{ write-output {variable} }}",
    "for ($i = 0; $i -lt {number}; $i++) {{ start-sleep -seconds {number} }}",
    "if (test-path {folder}) {{ write-host 'found {folder}' }}",
    "import-module {module}",
    "# weekly report for the {team} team",
    "# list what changed in the last {number} days",
)
BLANKS = {
    "folder": (r"c:\reports", r"c:\backup\week", r"d:\shared", r"d:\logs\daily", "$home"),
    "file": (
        r"c:\reports\users.csv",
        r"d:\shared\list.txt",
        r"d:\logs\summary.csv",
        "inventory.txt",
    ),
    "pattern": ("*.txt", "*.csv", "*.log"),
    "variable": ("$items", "$result", "$names", "$entry", "$total"),
    "service": ("spooler", "audiosrv", "themes", "wsearch"),
    "computer": ("server01", "desk12", "printer3"),
    "module": ("activedirectory", "dnsclient", "storage"),
    "team": ("sales", "finance", "support"),
}
"""What fills the blanks of a statement; {number} is filled from 1 to 99."""


def make_scripts(count: int, seed: int) -> tuple[list[str], NDArray[np.int64]]:
    """Draw scripts of 15 to 60 tokens, half of them positive, in random order.

    Every script has one to three different decoys; a positive one, of label 1, has also one to
    three different tell-tale tokens, each on a line of its own, at a random place. Of an odd count
    the smaller half is positive. One seed draws the same scripts every time.

    Example:
        >>> scripts, labels = make_scripts(count=4, seed=0)
        >>> tell_tale = [any(token in script for token in TELL_TALE) for script in scripts]
        >>> tell_tale == (labels == 1).tolist(), labels.sum()
        (True, np.int64(2))
    """
    if count < 1 or seed < 0:
        raise UsageError(
            f"{count} scripts of seed {seed} cannot be drawn: give a count from 1 up and a seed "
            "from 0 up."
        )
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count, dtype=np.int64) % 2)
    return [_script(rng, positive=label == 1) for label in labels], labels


def _script(rng: np.random.Generator, positive: bool) -> str:
    lines, tokens = [], 0
    # A statement has at most 10 tokens, and at most six rare ones follow: 44 + 10 + 6 = 60.
    wanted = rng.integers(15, 46)
    while tokens < wanted:
        lines.append(_statement(rng))
        tokens += len(tokenise_script(lines[-1]))
    rare = _some(rng, DECOYS)
    if positive:
        rare += _some(rng, TELL_TALE)
    for token in rare:
        lines.insert(rng.integers(len(lines) + 1), token)
    return "\n".join(lines) + "\n"


def _statement(rng: np.random.Generator) -> str:
    filled = {blank: _one(rng, choices) for blank, choices in BLANKS.items()}
    return _one(rng, STATEMENTS).format(number=rng.integers(1, 100), **filled)


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[rng.integers(len(choices))]


def _some(rng: np.random.Generator, tokens: tuple[str, ...]) -> list[str]:
    chosen = rng.choice(len(tokens), rng.integers(1, 4), replace=False)
    return [tokens[i] for i in chosen]
