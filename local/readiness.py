"""Cheap questions that tell whether a service can do its work now."""

import socket

import httpx
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local.ports import LOCALHOST
from local.service import IsReady

PATIENCE_S = 2.0
"""How long one question may take."""


def answers_http(url: str, containing: str = "") -> IsReady:
    """Whether the URL answers 200 with this text in it."""

    def ask() -> bool:
        try:
            reply = httpx.get(url, timeout=PATIENCE_S, trust_env=False)
        except httpx.HTTPError:
            return False
        return reply.status_code == httpx.codes.OK and containing in reply.text

    return ask


def answers_sql(url: str) -> IsReady:
    """Whether the Postgres server takes connections and answers."""

    def ask() -> bool:
        try:
            with psycopg.connect(url, connect_timeout=int(PATIENCE_S)) as connection:
                connection.execute("select 1")
        except psycopg.Error:
            return False
        return True

    return ask


def answers_kafka(port: int) -> IsReady:
    """Whether the broker is listening and gives its metadata."""

    def ask() -> bool:
        if not _listens(port):
            return False
        client = AdminClient({"bootstrap.servers": f"{LOCALHOST}:{port}", "log_level": 0})
        try:
            return bool(client.list_topics(timeout=PATIENCE_S).brokers)
        except KafkaException:
            return False

    return ask


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(PATIENCE_S)
        return probe.connect_ex((LOCALHOST, port)) == 0
