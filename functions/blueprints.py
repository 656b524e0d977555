"""One place for the one call that azure-functions leaves untyped."""

import azure.functions as func


def new() -> func.Blueprint:
    return func.Blueprint()  # type: ignore[no-untyped-call]
