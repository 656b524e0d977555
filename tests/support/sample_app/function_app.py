"""A tiny app that shows what the host does to it. Its effects are files in `SAMPLE_DIR`: one line per event."""

import asyncio
import json
import os
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def note(name: str, text: str) -> None:
    with (Path(os.environ["SAMPLE_DIR"]) / name).open("a", encoding="utf-8") as file:
        file.write(text + "\n")


@app.route(route="echo/{id?}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Says what arrived."""
    seen = {
        "method": req.method,
        "headers": dict(req.headers),
        "query": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode(),
        "host": os.environ["WEBSITE_HOSTNAME"],
    }
    answer = func.HttpResponse(json.dumps(seen), status_code=201, mimetype="application/json")
    answer.headers["x-sample"] = "yes"
    answer.headers.add("Set-Cookie", "a=1; Path=/")
    answer.headers.add("Set-Cookie", "b=2; Path=/")
    return answer


@app.route(route="plain", methods=["GET"])
async def plain(req: func.HttpRequest) -> str:
    return "plain text"


@app.route(route="broken", methods=["GET"])
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("on purpose")


@app.route(route="slow", methods=["GET"])
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(float(req.params["seconds"]))
    note("slow", "done")
    return func.HttpResponse("slept")


@app.route(route="not-modified", methods=["GET"])
async def not_modified(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=304, headers={"ETag": 'W/"1"'})


@app.route(route="{*rest}", methods=["GET"])
async def zz_rest(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), status_code=418)


@app.queue_trigger(arg_name="msg", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    """The message says what to do: `ok`, `fail`, `sleep <seconds>`."""
    text = msg.get_body().decode()
    note("work", f"{os.getpid()} {msg.dequeue_count} {text}")
    verb, _, argument = text.partition(" ")
    if verb == "fail":
        raise ValueError("on purpose")
    if verb == "sleep":
        await asyncio.sleep(float(argument))
        note("work", f"{os.getpid()} {msg.dequeue_count} done")


@app.queue_trigger(arg_name="msg", queue_name="%SAMPLE_QUEUE%-poison", connection="AzureWebJobsStorage")
def poisoned(msg: func.QueueMessage) -> None:
    note("poisoned", msg.get_body().decode())


@app.timer_trigger(arg_name="timer", schedule="0 0 3 1 1 *", run_on_startup=False)
def tick(timer: func.TimerRequest) -> None:
    note("tick", f"{os.getpid()} {time.time_ns()} {'past due' if timer.past_due else 'on time'}")
