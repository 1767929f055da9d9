"""A platform on a folder that was used before goes on from there, also where the folder is closed to other accounts."""

from pathlib import Path

import psycopg

from local.platform import Platform
from local.ports import Ports


def test_postgres_starts_again_on_its_data_after_a_stop(tmp_path: Path) -> None:
    # The folders of pytest are closed to other accounts, as the home of root is.
    with Platform(tmp_path / "data", Ports.free()) as platform:
        platform.start("postgres")
        with psycopg.connect(platform.env["POSTGRES_ADMIN_URL"]) as connection:
            connection.execute("create table kept as select 42 as n")
    with Platform(tmp_path / "data", Ports.free()) as platform:
        platform.start("postgres")
        with psycopg.connect(platform.env["POSTGRES_ADMIN_URL"]) as connection:
            assert connection.execute("select n from kept").fetchone() == (42,)
