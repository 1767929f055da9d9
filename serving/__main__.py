"""`python -m serving`: the application under uvicorn, one worker per process; `python -m serving keys`: its keys."""

import gc
import socket
import sys

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from serving.access import cli as keys
from serving.app import create_app
from serving.decisions.watched import BadFile
from serving.settings import ApiSettings

commands = typer.Typer(
    help="Without a subcommand: serve the API and the live page until SIGINT or SIGTERM. Settings are environment "
    "variables, listed in serving/README.md.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
commands.add_typer(keys.app, name="keys")


class Server(uvicorn.Server):
    """Ends the live streams first: uvicorn waits for open responses, and those would never end by themselves."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self.app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there now stays: looking through it again and again for garbage would hold up decisions.
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.app.state.feed.close()
        await super().shutdown(sockets)


def read_settings() -> ApiSettings:
    """Settings from the environment; exits with status 2 and a plain sentence per mistake."""
    try:
        return ApiSettings()  # the environment supplies what has no default
    except ValidationError as error:
        for mistake in error.errors():
            print(f"API settings: {'.'.join(map(str, mistake['loc']))}: {mistake['msg']}", file=sys.stderr)
        print("Set DATABASE_URL and API_… as listed in serving/README.md.", file=sys.stderr)
        raise SystemExit(2) from None


@commands.callback()
def main(context: typer.Context) -> None:
    """Serve until SIGINT or SIGTERM."""
    if context.invoked_subcommand is None:
        serve(read_settings())


def serve(settings: ApiSettings) -> None:
    """Serve until SIGINT or SIGTERM."""
    try:
        app = create_app(settings)
    except BadFile as error:
        print(f"API settings: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    Server(config, app).run()


if __name__ == "__main__":
    commands()
