"""Keeps of reference records what the tests need: `python tests/reference/shrink.py RECORDS`.

The records were made from other people's packages, filled by the rule in fill.py.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def fingerprint(found: dict[str, Any]) -> dict[str, Any]:
    """The part of a fingerprint that outputs are compared with."""
    return {
        "gain": found["fill_gain"],
        "input": found["input"],
        "shape": found["float64"]["shape"],
        "first16": [[float(value) for value in row] for row in found["float64"]["first16"]],
    }


def shrink(record: dict[str, Any]) -> dict[str, Any]:
    """A record without its layers and with one number per fact."""
    kept = {key: record[key] for key in ("source", "name", "constructor", "package", "version")}
    kept |= {key: record[key] for key in ("input", "params")}
    kept["stages"] = {
        f"c{row['stride'].bit_length() - 1}": [row["channels"], row["size"]]
        for row in record.get("pyramid") or []
    }
    features = record.get("timm_features")
    if features:  # what timm itself calls the stages
        rows = zip(features["reduction"], features["channels"], features["shapes"], strict=True)
        kept["stages"] = {f"c{int(r).bit_length() - 1}": [c, shape[2]] for r, c, shape in rows}
    kept["macs"] = (record.get("macs") or {}).get("torch")
    kept["state"] = [f"{key} {'x'.join(map(str, shape))}" for key, shape, _ in record["state_dict"]]
    for name in ("fingerprint", "fingerprint_odd"):
        found = record.get(name)
        if found and found.get("ok") and "float64" in found:
            kept[name] = fingerprint(found)
    return kept


def main(records: Path) -> None:
    """Writes one file per record beside this one."""
    for path in sorted(records.glob("*.json")):
        text = json.dumps(shrink(json.loads(path.read_text())), indent=0)
        (HERE / path.name).write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
