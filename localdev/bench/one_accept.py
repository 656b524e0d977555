"""Run as a module in a fresh process, with the app's settings in its environment: one `POST /api/hubs`, then the status
and the modules that are loaded, as JSON. Nothing but the app and this file is imported."""

import asyncio
import json
import os
import sys


def main() -> None:
    import azure.functions as func

    import function_app

    found = {str(one.get_function_name()): one.get_user_function() for one in function_app.app.get_functions()}
    request = func.HttpRequest(
        "POST",
        "https://bench.test/api/hubs",
        headers={"authorization": f"Bearer {os.environ['HUBLET_ADMIN_TOKEN']}", "content-type": "application/json"},
        params={},
        route_params={},
        body=b'{"name": "one-accept"}',
    )
    response = asyncio.run(found["hub_create"](request))
    print(json.dumps({"status": response.status_code, "modules": list(sys.modules)}))


if __name__ == "__main__":
    main()
