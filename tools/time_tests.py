"""Times every test that decides a statement of the book and writes results/test_times.json, which the evidence page prints.

python tools/time_tests.py
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ganlib import record

ROOT = Path(__file__).resolve().parent.parent


def durations(report: Path) -> dict[str, float]:
    """``tests/test_x.py::test_y`` -> seconds, the cases of a parametrised test together."""
    seconds: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname').replace('.', '/')}.py::{case.get('name').partition('[')[0]}"
        seconds[name] = seconds.get(name, 0.0) + float(case.get("time"))
    return {name: round(value, 3) for name, value in sorted(seconds.items())}


def main() -> None:
    provenance = {name: value for name, value in record.provenance(seed=None).items() if name != "environment"}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "decides", f"--junitxml={report}", "tests"], cwd=ROOT, check=True
        )
        tests = durations(report)
    record.write("test_times", {"selection": "-m decides"}, {"tests": tests} | provenance, sum(tests.values()))


if __name__ == "__main__":
    main()
