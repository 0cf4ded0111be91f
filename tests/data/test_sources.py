"""The bundled digits, and OpenML: scikit-learn's own loader, with a table of answers in place of the web site."""

from __future__ import annotations

import hashlib
import io
import json
import time
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.response import addinfourl

import numpy as np
import pytest

from simlab import data
from simlab.core.errors import InputError

HOST = "https://www.openml.org/"
ROWS = ["1.5,red,10,s", "2.5,blue,2,t", "-1,red,2,u", "0,red,10,v"]
COLUMNS = [("length", "numeric", ""), ("colour", "nominal", "{red,blue}"), ("class", "nominal", "{2,10,11}")]


def test_digits() -> None:
    found = data.digits()
    assert found.x.shape == (1797, 64)
    assert found.classes == tuple("0123456789")
    assert str(found) == "digits: 1,797 examples, 64 features in [0, 16], 10 classes of 174 to 183."


class Site(urllib.request.BaseHandler):
    """Answers https requests from a table; 412 is OpenML's own error, and without a table the site is away."""

    def __init__(self) -> None:
        self.pages: dict[str, str] | None = {}

    def https_open(self, request: urllib.request.Request) -> addinfourl:
        if self.pages is None:
            raise URLError("no route to host")
        page = self.pages.get(request.full_url.removeprefix(HOST))
        if page is None:
            raise HTTPError(request.full_url, 412, "no results", Message(), io.BytesIO(b'{"error": "no results"}'))
        return addinfourl(io.BytesIO(page.encode()), Message(), request.full_url, 200)

    def publish(self, columns: list[tuple[str, str, str]], rows: list[str], target: str = "class") -> None:
        """Data set 7, "toys" version 1: its list, description, columns, sizes and ARFF file."""
        features = [
            {
                "index": str(i),
                "name": name,
                "data_type": kind,
                "is_target": str(name == target).lower(),
                "is_ignore": str(name == "note").lower(),
                "is_row_identifier": "false",
                "number_of_missing_values": "0",
            }
            for i, (name, kind, _) in enumerate(columns)
        ]
        head = ["@RELATION toys", *(f"@ATTRIBUTE {name} {values or kind}" for name, kind, values in columns), "@DATA"]
        arff = "\n".join([*head, *rows]) + "\n"
        about = {
            "id": "7", "name": "toys", "version": "1", "status": "active", "format": "ARFF", "description": "-",
            "url": f"{HOST}data/v1/download/7/toys.arff", "md5_checksum": hashlib.md5(arff.encode()).hexdigest(),
        }  # fmt: skip
        api = "api/v1/json/data"
        self.pages = {
            f"{api}/list/data_name/toys/limit/2/data_version/1": json.dumps({"data": {"dataset": [{"did": 7}]}}),
            f"{api}/7": json.dumps({"data_set_description": about}),
            f"{api}/features/7": json.dumps({"data_features": {"feature": features}}),
            f"{api}/qualities/7": json.dumps(
                {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(len(rows))}]}}
            ),
            "data/v1/download/7/toys.arff": arff,
        }


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """All of urllib asks this site, and waiting for it takes no time."""
    handler, opener = Site(), urllib.request.OpenerDirector()
    opener.add_handler(handler)
    urllib.request.install_opener(opener)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    yield handler
    urllib.request._opener = None  # type: ignore[attr-defined]  # the next call makes the usual one


def test_openml_by_name(site: Site, tmp_path: Path) -> None:
    site.publish([COLUMNS[0], COLUMNS[1], COLUMNS[2], ("note", "string", "")], ROWS)
    found = data.openml("toys", folder=tmp_path)
    np.testing.assert_array_equal(found.x, [[1.5, 0, 1], [2.5, 1, 0], [-1, 0, 1], [0, 0, 1]])
    assert found.classes == ("10", "2")  # as names, in order, without the class that no example has
    np.testing.assert_array_equal(found.y, [0, 1, 1, 0])
    assert str(found) == "openml toys, version 1: 4 examples, 3 features in [-1, 2.5], 2 classes of 2 each."
    site.pages = None  # what was fetched once is there without the web
    np.testing.assert_array_equal(data.openml("toys", folder=tmp_path).x, found.x)


def test_openml_targets(site: Site, tmp_path: Path) -> None:
    site.publish([("length", "numeric", ""), ("price", "numeric", "")], ["1,2", "3,4.5"], target="price")
    found = data.openml("toys", folder=tmp_path)
    assert found.classes is None
    np.testing.assert_array_equal(found.y, [[2], [4.5]])


def test_openml_refuses_what_is_no_array(site: Site, tmp_path: Path) -> None:
    text = ("note", "string", "")
    for i, (columns, rows, target, message) in enumerate(
        [
            (COLUMNS, ["?,red,2", "1,blue,10"], "class", "1 values are missing"),
            ([COLUMNS[0], ("remark", *text[1:]), COLUMNS[2]], ["1,good,2", "2,bad,10"], "class", "column remark holds"),
            (COLUMNS, ["1,red,2", "2,red,10"], "none", "needs one target column"),
            (COLUMNS, ["1,red,2", "2,red,2"], "class", "all examples are of class 2"),
        ]
    ):
        site.publish(columns, rows, target)
        with pytest.raises(InputError, match=f"^openml toys, version 1: .*{message}.*[.]$"):
            data.openml("toys", folder=tmp_path / str(i))


def test_openml_unknown(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot load it .*not found.*; look it up on openml\.org\.$"):
        data.openml("nothing", version=3, folder=tmp_path)


@pytest.mark.filterwarnings("ignore:A network error occurred", "ignore:Invalid cache")  # scikit-learn tries again
def test_openml_offline(site: Site, tmp_path: Path) -> None:
    site.pages = None
    with pytest.raises(InputError, match=r"openml\.org cannot be reached \(no route to host\); go online"):
        data.openml("toys", folder=tmp_path)
