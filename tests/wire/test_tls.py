"""TLS on loopback, with an authority of our own: who is believed, and that nothing is said to anybody else."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from pika_redis import CacheUnavailableError, ConfigurationError, RedisService
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.address import TlsFiles
from pika_redis.wire.embedded import free_port
from pika_redis.wire.tls import tls_context

from ..storage.tracking_server import TrackingServer
from .fake_sentinel import FakePrimary, FakeSentinel
from .fake_server import FakeServer
from .timing import on_both_loops


class Papers:
    """The files of an authority, and those of a client that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.folder = folder
        self.ca = self._write("ca", self.authority.cert_pem)
        client = self.authority.issue_cert("pika@example.org")
        self.client = self._write("client", *client.cert_chain_pems)
        self.client_key = self._write("client-key", client.private_key_pem)
        stranger = trustme.CA().issue_cert("pika@example.org")
        self.stranger = self._write("stranger", stranger.private_key_and_cert_chain_pem)
        self.client_whole = self._write("client-whole", client.private_key_and_cert_chain_pem)
        server = self.authority.issue_cert("127.0.0.1", "localhost")
        self.server = self._write("server", *server.cert_chain_pems)
        self.server_key = self._write("server-key", server.private_key_pem)

    def issued(self, name: str, *names: str, ends: datetime | None = None) -> dict[str, str]:
        """The directives of a server with these names, whose certificate is good until then."""
        paper = self.authority.issue_cert(*names, not_after=ends)
        return {
            "tls_cert_file": self._write(name, *paper.cert_chain_pems),
            "tls_key_file": self._write(f"{name}-key", paper.private_key_pem),
        }

    def _write(self, name: str, *blobs: trustme.Blob) -> str:
        path = self.folder / f"{name}.pem"
        for blob in blobs:
            blob.write_to_path(path, append=True)
        return str(path)

    def shown_by(self, *names: str) -> ssl.SSLContext:
        """The context of a server with these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@contextlib.contextmanager
def redis_behind(papers: Papers, clients: str, **directives: str) -> Iterator[int]:
    """The TLS port of a server that asks clients for certificates, or doesn't."""
    port = free_port()
    config = {
        "tls-port": str(port),
        "tls-ca-cert-file": papers.ca,
        "tls-cert-file": papers.server,
        "tls-key-file": papers.server_key,
        "tls-auth-clients": clients,
        "requirepass": "sesame",
        **{name.replace("_", "-"): value for name, value in directives.items()},
    }
    with EmbeddedServer.start("redis", config=config):
        yield port


async def unanswered(url: str) -> str:
    """What is said when nothing can be read there."""
    async with RedisService(url, retry_attempts=0, connect_timeout=5) as service:
        with pytest.raises(CacheUnavailableError) as refused:
            await service.connect()
    return str(refused.value)


# -- a real server ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@on_both_loops
async def test_the_verbs_over_tls(redis_server: EmbeddedServer, papers: Papers, host: str) -> None:
    with redis_behind(papers, "no") as port:
        url = f"rediss://:sesame@{host}:{port}/3?tls_ca_file={papers.ca}"
        async with RedisService(url, lazy_connect=False) as service, RedisService(url) as other:
            await service.set_many({f"k{number}": "x" * 40_000 for number in range(50)}, tags=["t"])
            assert await service.get("k7") == "x" * 40_000
            assert len(await other.get_many([f"k{number}" for number in range(50)])) == 50
            assert "db=3" in (await service.execute("CLIENT", "INFO")).decode()
            await other.invalidate_tags(["t"])
            assert await service.get_or_load("k7", lambda: "new", consistency="strict") == "new"


@on_both_loops
async def test_a_server_that_asks_for_a_certificate(redis_server: EmbeddedServer, papers: Papers) -> None:
    with redis_behind(papers, "yes") as port:
        url = f"rediss://:sesame@127.0.0.1:{port}?tls_ca_file={papers.ca}"
        for own in (
            f"&tls_cert_file={papers.client}&tls_key_file={papers.client_key}",
            f"&tls_cert_file={papers.client_whole}",
        ):
            async with RedisService(url + own) as service:
                await service.set("k", "v")
                assert await service.get("k") == "v"
        for refused in (url, f"{url}&tls_cert_file={papers.stranger}"):
            said = await unanswered(refused)
            assert "asks for a certificate" in said
            assert "sesame" not in said


async def test_a_server_that_speaks_in_the_clear_hears_no_password(papers: Papers) -> None:
    async with FakeServer().running() as server:
        said = await unanswered(f"rediss://:sesame@127.0.0.1:{server.port}?tls_ca_file={papers.ca}")
        heard = b"".join(part for talk in server.talks for part in talk.segments)
    assert heard
    assert b"sesame" not in heard
    assert "TLS" in said
    assert "sesame" not in said


@pytest.mark.parametrize("verify", [True, False])
async def test_a_real_server_whose_certificate_has_expired(
    redis_server: EmbeddedServer, papers: Papers, verify: bool
) -> None:
    yesterday = datetime.now(tz=UTC) - timedelta(days=1)
    expired = papers.issued(f"expired-{verify}", "127.0.0.1", ends=yesterday)
    with redis_behind(papers, "no", **expired) as port:
        url = f"rediss://:sesame@127.0.0.1:{port}?tls_ca_file={papers.ca}&tls_verify={verify}"
        if verify:
            said = await unanswered(url)
            assert "certificate has expired" in said
            assert "sesame" not in said
        else:
            async with RedisService(url, lazy_connect=False) as service:
                assert await service.execute("PING") == b"PONG"


async def test_a_real_server_with_another_name(redis_server: EmbeddedServer, papers: Papers) -> None:
    with redis_behind(papers, "no", **papers.issued("elsewhere", "cache.example.org")) as port:
        said = await unanswered(f"rediss://:sesame@localhost:{port}?tls_ca_file={papers.ca}")
        assert "match" in said
        assert "localhost" in said
        assert "sesame" not in said


async def test_a_real_server_that_knows_nothing_newer_than_one_point_one(
    redis_server: EmbeddedServer, papers: Papers
) -> None:
    with redis_behind(papers, "no", tls_protocols="TLSv1.1", tls_ciphers="DEFAULT:@SECLEVEL=0") as port:
        said = await unanswered(f"rediss://:sesame@127.0.0.1:{port}?tls_ca_file={papers.ca}")
        assert "version" in said.lower() or "protocol" in said.lower()


@pytest.mark.slow
@pytest.mark.ci
async def test_sentinels_and_servers_over_tls(redis_server: EmbeddedServer, papers: Papers) -> None:
    secure = {
        "tls-ca-cert-file": papers.ca,
        "tls-cert-file": papers.server,
        "tls-key-file": papers.server_key,
        "tls-auth-clients": "no",
    }
    port, watching = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(EmbeddedServer.start("redis", config={**secure, "tls-port": str(port)}))
        sentinel = {
            **secure,
            "tls-port": str(watching),
            "tls-replication": "yes",
            "sentinel monitor": f"mymaster 127.0.0.1 {port} 1",
        }
        stack.enter_context(EmbeddedServer.start("redis", sentinel=True, config=sentinel))
        hosts = f"rediss+sentinel://localhost:{watching}/mymaster"
        async with RedisService(f"{hosts}?tls_ca_file={papers.ca}", lazy_connect=False) as service:
            await service.set("k", "v")
            assert await service.get("k") == "v"
            assert f"tcp_port:{primary.port}" in (await service.execute("INFO", "server")).decode()
        assert "certificate" in await unanswered(f"{hosts}?sentinel_password=sesame")
        plain = await unanswered(hosts.replace("rediss", "redis"))
        assert "no sentinel of mymaster can be asked" in plain


async def test_sentinels_in_the_clear_hear_no_password_meant_for_tls(papers: Papers) -> None:
    async with FakeSentinel(("127.0.0.1", 1)).running() as sentinel:
        url = f"rediss+sentinel://:sesame@127.0.0.1:{sentinel.port}/mymaster?sentinel_password=sesame"
        assert "TLS" in await unanswered(f"{url}&tls_ca_file={papers.ca}")
        assert b"sesame" not in b"".join(part for talk in sentinel.talks for part in talk.segments)
        assert sentinel.commands == []


async def test_a_primary_in_the_clear_hears_no_password_meant_for_tls(papers: Papers) -> None:
    primary = FakePrimary()
    async with primary.running():
        sentinel = FakeSentinel(primary.place)
        async with sentinel.running(tls=papers.shown_by("127.0.0.1")):
            url = f"rediss+sentinel://:sesame@127.0.0.1:{sentinel.port}/mymaster?tls_ca_file={papers.ca}"
            assert "TLS" in await unanswered(url)
            assert sentinel.sent("SENTINEL")
            assert b"sesame" not in b"".join(part for talk in primary.talks for part in talk.segments)


# -- who is believed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "checked"), [("localhost", True), ("cache.example.org", False)], ids=["right name", "not verified"]
)
@on_both_loops
async def test_a_server_with_the_right_name_is_believed_and_without_verification_anybody(
    papers: Papers, name: str, checked: bool
) -> None:
    query = f"tls_ca_file={papers.ca}" if checked else "tls_verify=no"
    async with (
        TrackingServer().running(tls=papers.shown_by(name)) as server,
        RedisService(f"rediss://localhost:{server.port}?{query}") as service,
    ):
        await service.set("k", "v")
        assert await service.get("k") == "v"


@on_both_loops
async def test_a_server_with_another_name_is_not(papers: Papers) -> None:
    async with FakeServer().running(tls=papers.shown_by("cache.example.org")) as server:
        said = await unanswered(f"rediss://:sesame@localhost:{server.port}?tls_ca_file={papers.ca}")
        assert server.commands == []
    assert "localhost" in said
    assert "match" in said
    assert "sesame" not in said


@pytest.mark.parametrize("known", ["of the system", "another"])
@on_both_loops
async def test_a_server_of_an_unknown_authority_is_not(papers: Papers, tmp_path: Path, known: str) -> None:
    trusted = f"?tls_ca_file={Papers(tmp_path).ca}" if known == "another" else ""
    async with FakeServer().running(tls=papers.shown_by("localhost")) as server:
        said = await unanswered(f"rediss://:sesame@localhost:{server.port}{trusted}")
        assert server.commands == []
    assert "certificate" in said


async def test_a_version_before_one_point_two_is_refused(papers: Papers) -> None:
    old = papers.shown_by("localhost")
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with FakeServer().running(tls=old) as server:
        await unanswered(f"rediss://localhost:{server.port}?tls_ca_file={papers.ca}")
        assert server.commands == []


async def test_in_the_clear_a_server_of_tls_gives_no_answer(papers: Papers) -> None:
    async with FakeServer().running(tls=papers.shown_by("localhost")) as server:
        await unanswered(f"redis://localhost:{server.port}")
        assert server.commands == []


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["tls_ca_file", "tls_cert_file", "tls_key_file"])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_that_is_of_no_use_is_named(papers: Papers, tmp_path: Path, file: str, content: str | None) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    files = {"tls_ca_file": papers.ca, "tls_cert_file": papers.client, "tls_key_file": papers.client_key, file: bad}
    query = "&".join(f"{name}={path}" for name, path in files.items())
    with pytest.raises(ConfigurationError, match=r"bad\.pem"):
        RedisService(f"rediss://localhost?{query}")


def test_a_key_of_another_certificate_is_refused(papers: Papers) -> None:
    with pytest.raises(ConfigurationError, match="server-key"):
        tls_context(TlsFiles(papers.ca, papers.client, papers.server_key))


def test_unless_told_otherwise_name_and_certificate_are_checked(papers: Papers) -> None:
    context = tls_context(TlsFiles(papers.ca))
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
