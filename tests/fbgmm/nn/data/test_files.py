"""Data files: where they are looked for, that altered ones are refused, and downloads from a server of our own."""

import hashlib
import http.server
import threading

import pooch
import pytest

from fbgmm.nn.data.files import FileError, Remote, local_path

DATA = bytes(range(256)) * 8192  # 2 MiB
PATH = "set/values.bin"


def remote(*urls, kind="sha256"):
    return Remote(PATH, urls or ("http://127.0.0.1:1/values.bin",), f"{kind}:{hashlib.new(kind, DATA).hexdigest()}")


def put(folder, data):
    path = folder / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def local(tmp_path, monkeypatch):
    monkeypatch.setenv("FBGMM_DATA", str(tmp_path / "local"))
    return tmp_path / "local"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "fbgmm"


@pytest.fixture
def server():
    """Serves `pages`, path → bytes, and lists what was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path not in pages:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(pages[self.path])))
            self.end_headers()
            self.wfile.write(pages[self.path])

        def log_message(self, *_):
            pass

    pages, asked = {}, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", pages, asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_the_folder_of_the_variable_comes_first(local, cache, kind):
    put(cache, DATA)
    path = put(local, DATA)
    assert local_path(remote(kind=kind)) == path


def test_the_cache_comes_second(local, cache):
    path = put(cache, DATA)
    assert local_path(remote()) == path


@pytest.mark.parametrize("damage", [DATA[:-1], b"x" + DATA[1:], b""])
@pytest.mark.parametrize("where", ["local", "cache"])
def test_a_truncated_or_altered_file_is_refused_and_named(request, local, where, damage):
    path = put(request.getfixturevalue(where), damage)
    with pytest.raises(FileError) as caught:
        local_path(remote("http://127.0.0.1:1/values.bin"))
    message = str(caught.value)
    for part in (path, hashlib.sha256(damage).hexdigest(), hashlib.sha256(DATA).hexdigest(), f"{len(damage)} bytes"):
        assert str(part) in message
    assert path.read_bytes() == damage


def test_a_file_that_is_nowhere_is_downloaded_once_with_progress(local, cache, server):
    address, pages, asked = server
    pages["/values.bin"] = DATA
    told = []
    for _ in range(2):
        path = local_path(remote(f"{address}/values.bin"), lambda *news: told.append(news))
    assert path == cache / PATH
    assert path.read_bytes() == DATA
    assert asked == ["/values.bin"]
    what, done, total = told[-1]
    assert "values.bin" in what
    assert done == total == len(DATA)
    assert len(told) > 4
    assert all(0 < done <= total for _, done, total in told)


def test_the_next_address_is_tried(cache, server):
    address, pages, asked = server
    pages["/altered"], pages["/right"] = DATA[::-1], DATA
    assert local_path(remote(*(f"{address}/{name}" for name in ("gone", "altered", "right")))).read_bytes() == DATA
    assert asked == ["/gone", "/altered", "/right"]


def test_an_altered_download_is_refused_and_not_kept(cache, server):
    address, pages, _ = server
    pages["/values.bin"] = DATA[:-5]
    with pytest.raises(FileError, match=r"set/values\.bin .*hash"):
        local_path(remote(f"{address}/values.bin"))
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_no_file_and_no_network_says_what_to_put_where(local, cache):
    with pytest.raises(FileError) as caught:
        local_path(remote("http://127.0.0.1:1/values.bin"))
    for part in (local / PATH, cache / PATH, "http://127.0.0.1:1/values.bin", "FBGMM_DATA"):
        assert str(part) in str(caught.value)


def test_without_the_variable_the_cache_alone_is_named(cache, monkeypatch):
    monkeypatch.delenv("FBGMM_DATA", raising=False)
    with pytest.raises(FileError, match=str(cache / PATH)):
        local_path(remote())
