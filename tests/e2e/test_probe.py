import time

import pytest


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it(make_project, run_cli, kind, home):
    p = make_project(kind)
    for a in (
        ("train", p.name, "--as-of", "2024-03-01"),
        ("train", p.name, "--as-of", "2024-03-01"),
        ("ingest", p.name, "--as-of", "2024-03-01"),
        ("models", p.name),
        ("predict", p.name, "--as-of", "2024-03-01"),
        ("ingest", "nope"),
    ):
        t = time.time()
        r = run_cli(*a)
        print(a[0], r.code, round(time.time() - t, 1), r.stdout[:300], r.stderr[-600:])
