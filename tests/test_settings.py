from ipaddress import ip_network

import pytest

from tieline.errors import Misconfigured
from tieline.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder without a tieline.toml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_anything_the_defaults_hold():
    settings = load_settings({})

    assert settings == Settings()
    assert settings.url == "http://127.0.0.1:8400"


def test_the_environment_sets_by_name():
    settings = load_settings({"TIELINE_PORT": "9000", "TIELINE_PUBLIC_URL": "https://connect.acme.example/"})

    assert settings.port == "9000"
    assert settings.url == "https://connect.acme.example"


def test_a_value_may_stand_in_a_file(elsewhere):
    (elsewhere / "keys").write_text("k1:abc\n")

    settings = load_settings({"TIELINE_KEYS_FILE": str(elsewhere / "keys")})

    assert settings.key_ring.reveal() == "k1:abc"


def test_a_file_that_cannot_be_read_is_refused_by_name(elsewhere):
    with pytest.raises(Misconfigured, match="TIELINE_KEYS_FILE"):
        load_settings({"TIELINE_KEYS_FILE": str(elsewhere / "nowhere")})


def test_the_file_tieline_toml_is_read_where_the_process_runs(elsewhere):
    (elsewhere / "tieline.toml").write_text('port = 9100\nlog_level = "debug"\n')

    settings = load_settings({})

    assert (settings.port, settings.log_level) == ("9100", "debug")


def test_flags_come_before_the_environment_and_that_before_the_file(elsewhere):
    (elsewhere / "tieline.toml").write_text('port = 1\nhost = "file"\nlog_level = "debug"\n')

    settings = load_settings({"TIELINE_PORT": "2", "TIELINE_HOST": "environment"}, port="3", host=None)

    assert (settings.port, settings.host, settings.log_level) == ("3", "environment", "debug")


def test_the_plain_variable_comes_before_its_file(elsewhere):
    (elsewhere / "port").write_text("1")

    assert load_settings({"TIELINE_PORT": "2", "TIELINE_PORT_FILE": str(elsewhere / "port")}).port == "2"


def test_a_name_that_nobody_knows_is_refused(elsewhere):
    (elsewhere / "tieline.toml").write_text("prot = 9000\n[nested]\nx = 1\n")

    with pytest.raises(Misconfigured, match="nested, prot"):
        load_settings({})


def test_a_file_that_is_no_toml_is_refused(elsewhere):
    (elsewhere / "tieline.toml").write_text("port: 9000\n")

    with pytest.raises(Misconfigured, match=r"tieline\.toml"):
        load_settings({})


def test_a_list_in_the_file_is_what_commas_are_in_the_environment(elsewhere):
    (elsewhere / "tieline.toml").write_text('egress_allow = ["10.0.0.0/8", "internal.example"]\n')

    settings = load_settings({})

    assert settings.allowed_networks == (ip_network("10.0.0.0/8"),)
    assert settings.allowed_hosts == {"internal.example"}


@pytest.mark.parametrize("port", ["http", "", "-1", "80.5", "65536", "²", " 80"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(Misconfigured, match="TIELINE_PORT"):
        load_settings({"TIELINE_PORT": port})


def test_what_egress_may_reach_is_networks_and_hosts():
    settings = load_settings({"TIELINE_EGRESS_ALLOW": "127.0.0.0/8, ::1,  Keycloak.Internal ,,10.1.2.3/8"})

    assert settings.allowed_networks == (ip_network("127.0.0.0/8"), ip_network("::1"), ip_network("10.0.0.0/8"))
    assert settings.allowed_hosts == {"keycloak.internal"}


def test_settings_do_not_show_their_secrets():
    settings = load_settings(
        {"TIELINE_KEYS": "k1:canary-7f3a", "TIELINE_DATABASE_URL": "postgresql://tieline:canary-7f3a@db/tieline"}
    )

    assert "canary-7f3a" not in repr(settings) + str(settings) + f"{settings}" + repr(settings.key_ring)
