import uuid

import pytest

from gatehouse.client import Client, client_of, describe_device, normalise_ip


def ip_of(site, settings, trusted, peer, **headers):
    settings.GATEHOUSE = settings.GATEHOUSE | {"TRUSTED_PROXIES": trusted}
    return site.get("/plain", REMOTE_ADDR=peer, **headers).content.decode()


@pytest.mark.parametrize(
    ("trusted", "peer", "chain", "expected"),
    [
        ("", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("0", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("1", "192.0.2.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("2", "192.0.2.1", "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("2", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("1", "192.0.2.1", "", "192.0.2.1"),
        ("1", "192.0.2.1", "nonsense", "192.0.2.1"),
        ("1", "192.0.2.1", "203.0.113.9:4711", "203.0.113.9"),
        ("1", "192.0.2.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("1", "192.0.2.1", "fe80::1%eth0", "fe80::1"),
        ("1", "192.0.2.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("1", "192.0.2.1", "203.0.113.9," * 2000, "192.0.2.1"),
        ("10.0.0.0/8", "10.1.2.3", "6.6.6.6, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.0.0.0/8", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.0/8, 2001:db8::/32", "2001:db8::5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "10.5.5.5", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9, nonsense", "10.1.2.3"),
    ],
)
def test_k01_k02_k03_k04_the_address_is_the_one_that_a_proxy_of_ours_saw(
    site, settings, trusted, peer, chain, expected
):
    assert ip_of(site, settings, trusted, peer, HTTP_X_FORWARDED_FOR=chain) == expected


@pytest.mark.parametrize("header", ["HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_CF_CONNECTING_IP", "HTTP_CLIENT_IP"])
@pytest.mark.parametrize("trusted", ["", "1"])
def test_k01_no_other_header_names_an_address(site, settings, header, trusted):
    assert ip_of(site, settings, trusted, "192.0.2.1", **{header: "203.0.113.9"}) == "192.0.2.1"


def test_k07_what_an_untrusted_peer_says_of_forwarding_is_dropped(rf, settings):
    spoofed = {
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_HOST": "evil.test",
        "HTTP_FORWARDED": "for=1.2.3.4",
        "HTTP_X_REAL_IP": "1.2.3.4",
    }
    request = rf.get("/", **spoofed)
    client_of(request)
    assert not spoofed.keys() & request.META.keys()
    settings.GATEHOUSE = settings.GATEHOUSE | {"TRUSTED_PROXIES": "1"}
    request = rf.get("/", **spoofed)
    client_of(request)
    assert request.META["HTTP_X_FORWARDED_PROTO"] == "https"


@pytest.mark.parametrize("wanted", ["abc-DEF_1", "x" * 64])
def test_a_request_id_of_the_client_is_kept(site, wanted):
    assert site.get("/plain", HTTP_X_REQUEST_ID=wanted)["X-Request-ID"] == wanted


@pytest.mark.parametrize("wanted", ["", "a b", "x" * 65, "a\r\nSet-Cookie: a=b", "é", "a\n"])
def test_g13_another_request_id_is_replaced(site, wanted):
    answered = site.get("/plain", HTTP_X_REQUEST_ID=wanted)["X-Request-ID"]
    assert uuid.UUID(answered).hex == answered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("", None),
        ("192.0.2.300", None),
        ("1" * 100, None),
        ("unix:", None),
    ],
)
def test_addresses_have_one_form(text, expected):
    assert normalise_ip(text) == expected


@pytest.mark.parametrize(
    ("ip", "network"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), (None, "local")],
)
def test_k05_limits_count_by_network(ip, network):
    assert Client(ip=ip).network == network


@pytest.mark.parametrize(
    ("agent", "described"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; rv:142.0) Gecko/20100101 Firefox/142.0",
            ("Firefox 142 on Windows 10", "desktop"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1",
            ("Mobile Safari 17 on iOS 17", "mobile"),
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/16.0 Mobile/15E148 Safari/604.1",
            ("Mobile Safari 16 on iOS 16", "tablet"),
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ("Bot", "bot")),
        ("WARNING your account is hacked call 0800 555 1234 bot", ("Bot", "bot")),
        ("curl/8.5.0", ("curl", "app")),
        ("python-requests/2.32", ("Python Requests", "app")),
        ("nonsense", ("Unknown device", "unknown")),
        ("", ("Unknown device", "unknown")),
        ("(" * 500, ("Unknown device", "unknown")),
    ],
)
def test_devices_have_names_that_people_know(agent, described):
    assert describe_device(agent) == described


def test_h19_a_user_agent_is_cut_and_cleaned(rf):
    client = client_of(rf.get("/", HTTP_USER_AGENT="a\r\n\x1b[31m\u202eb" + "c" * 1_000_000))
    assert len(client.user_agent) == 498
    assert client.user_agent.isprintable()
    assert client.user_agent.startswith("a [31m bccc")


def test_a_command_is_a_client_without_an_address():
    client = Client.local("cleanup")
    assert (client.ip, client.network, client.user_agent) == (None, "local", "manage.py cleanup")


@pytest.mark.django_db
def test_health_is_open_to_any_host_on_loopback_only(site):
    assert site.get("/health/live", HTTP_HOST="10.9.8.7:1").status_code == 200
    assert site.get("/health/live", HTTP_HOST="10.9.8.7:1", REMOTE_ADDR="192.0.2.1").status_code == 400
    assert site.get("/plain", HTTP_HOST="10.9.8.7:1").status_code == 400
