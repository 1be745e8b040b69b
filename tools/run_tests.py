"""Runs the tests of the book in stages, the cheap ones first, stops at the first that fails, and adds up the results.

python tools/run_tests.py                        everything
python tools/run_tests.py notebooks fallback     these stages only
python tools/run_tests.py --quick library        without the slow files, and without counting which lines of the library run
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
STAGES = ("repository", "library", "pages", "alone", "notebooks", "fallback")
REPOSITORY = ("test_repository.py", "test_notebooks.py")
PAGES = ("test_book.py", "test_pages.py", "test_way.py", "test_widget_pages.py", "test_widgets_theory.py", "test_films.py")
ALONE = ("test_alone.py",)
# Tests of the library in a browser or in Node, and the two slowest others: what is to be quick leaves them out.
SLOW = tuple(f"test_widgets_{name}.py" for name in ("everywhere", "judge", "latent", "speed"))
SLOW += ("test_widgets.py", "test_experiments_scaling.py", "test_experiments_convolution.py")
SIDE_BY_SIDE = ("-n", "2")
NBVAL = (
    "--nbval",
    "--nbval-current-env",
    "--nbval-cell-timeout=1800",  # chapter 8 trains for ten minutes on two quiet cores; a guard against hanging
    "--nbval-kernel-startup-timeout=300",
    f"--nbval-sanitize-with={Path(__file__).with_name('pictures.cfg')}",
    "-p",
    "no:cacheprovider",
)
PROBE = "import matplotlib.font_manager; from ganlib import data; print(data.mnist('test') and data.mnist('train').source)"


class Result(NamedTuple):
    """What one stage came to."""

    stage: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    ok: bool


def run_pytest(stage: str, arguments: list[str], environment: dict[str, str]) -> Result:
    """Runs pytest once. In CI a skipped test counts as a failure, and everywhere a stage without tests does."""
    print(f"\n{stage}: pytest {' '.join(arguments)}", flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        suites = list(ElementTree.parse(report).iter("testsuite")) if report.is_file() else []
    total, failed, errors, skipped = (sum(int(s.get(k, 0)) for s in suites) for k in ("tests", "failures", "errors", "skipped"))
    failed += errors
    ok = code == 0 and total > 0
    if skipped and environment.get("CI"):
        print(f"{stage}: {skipped} skipped, and in CI a skipped test is a failure.")
        ok = False
    return Result(stage, max(total - failed - skipped, 0), failed, skipped, time.perf_counter() - start, ok)


def library_tests(quick: bool = False) -> list[str]:
    """Every test file that no other stage runs; if it is to be quick, without the slow ones."""
    others = {*REPOSITORY, *PAGES, *ALONE, *(SLOW if quick else ())}
    return [f"tests/{path.name}" for path in sorted((ROOT / "tests").glob("test_*.py")) if path.name not in others]


def notebooks() -> list[Path]:
    """Every notebook, the last chapter first: the long ones are there, and two workers then finish together."""
    return sorted(NOTEBOOKS.glob("*.ipynb"), reverse=True)


def needs_mnist(path: Path) -> bool:
    """Whether a code cell of the notebook asks for MNIST, by ganlib's function."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return any(cell["cell_type"] == "code" and re.search(r"\bmnist\(", "".join(cell["source"])) for cell in cells)


def nbval_arguments(paths: list[Path]) -> list[str]:
    """Two notebooks at a time, each in one worker from its first cell to its last."""
    return [*NBVAL, "-n", str(min(2, len(paths))), "--dist", "loadfile", "--no-loadscope-reorder", *map(str, paths)]


def without_mnist(environment: dict[str, str], cache: str) -> dict[str, str]:
    """An environment in which MNIST is nowhere: no folder, an empty cache, and a proxy at which nobody answers."""
    environment = {key: value for key, value in environment.items() if key != "GANLIB_DATA"}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return environment | proxies | {"no_proxy": "", "NO_PROXY": "", "XDG_CACHE_HOME": cache}


def data_source(environment: dict[str, str]) -> str:
    """Where ganlib finds its digits; asked once here, so that notebooks side by side do not both download them.

    It lets matplotlib list the fonts too, which on a new machine prints a line that no stored output holds.
    """
    answer = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        sys.exit("ganlib.data.mnist() failed; see above.")
    return answer.stdout.strip()


def run(stages: list[str], cache: str, quick: bool) -> list[Result]:
    """The results of the stages, in order, up to the first that is not all right."""
    environment = dict(os.environ)
    if environment.get("GANLIB_DATA"):
        environment["GANLIB_DATA"] = str(Path(environment["GANLIB_DATA"]).expanduser().resolve())
    one_thread = {"OMP_NUM_THREADS": "1"}
    offline = without_mnist(environment, cache)
    if {"alone", "notebooks", "fallback"} & {*stages}:
        source = data_source(environment)
        print(f"The notebooks use {source}.")
        if source != "MNIST":
            environment = offline  # the same answer, without waiting for a network that is not there
        data_source(offline)
    results = []
    for stage in stages:
        match stage:
            case "repository":
                result = run_pytest(stage, [*SIDE_BY_SIDE, *(f"tests/{name}" for name in REPOSITORY)], environment)
            case "library":
                coverage = [] if quick else ["--cov=ganlib", "--cov-report=term-missing:skip-covered", "--cov-fail-under=95"]
                result = run_pytest(stage, [*SIDE_BY_SIDE, *coverage, *library_tests(quick)], environment | one_thread)
            case "pages":
                start = time.perf_counter()
                built = subprocess.run([sys.executable, "tools/book.py", "book"], cwd=ROOT).returncode == 0
                seconds = time.perf_counter() - start
                result = Result("book", int(built), int(not built), 0, seconds, built)
                if built:
                    results.append(result)
                    result = run_pytest(stage, [f"tests/{name}" for name in PAGES], environment)
            case "alone":
                result = run_pytest(stage, [f"tests/{name}" for name in ALONE], environment)
            case "notebooks":
                result = run_pytest(stage, nbval_arguments(notebooks()), environment | one_thread)
            case "fallback":
                paths = [path for path in notebooks() if needs_mnist(path)]
                if not paths or environment is offline:
                    print("\nfallback: the notebooks have run without MNIST already.")
                    continue
                result = run_pytest(stage, nbval_arguments(paths), offline | (one_thread if len(paths) > 1 else {}))
        results.append(result)
        if not result.ok:
            break
    return results


def main(arguments: list[str]) -> None:
    """Runs the stages named, all by default, and exits with 1 if one of them is not all right."""
    stages = [argument for argument in arguments if argument != "--quick"]
    for stage in stages:
        if stage not in STAGES:
            sys.exit(f"{stage!r} is no stage of the tests; there are {', '.join(STAGES)}.")
    with tempfile.TemporaryDirectory() as cache:
        results = run(stages or list(STAGES), cache, quick="--quick" in arguments)
    print(f"\n{'stage':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    sums = (sum(getattr(r, column) for r in results) for column in ("passed", "failed", "skipped", "seconds"))
    total = Result("total", *sums, all(r.ok for r in results))
    for result in [*results, total]:
        verdict = "" if result.ok else "  failed"
        print(f"{result.stage:<12}{result.passed:>8}{result.failed:>8}{result.skipped:>9}{result.seconds:>9.0f}{verdict}")
    print(f"===== {total.passed} passed, {total.failed} failed, {total.skipped} skipped in {total.seconds:.0f} s =====")
    sys.exit(0 if total.ok else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
