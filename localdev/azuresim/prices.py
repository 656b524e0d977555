"""The retail price API, ``/api/retail/prices``: no login, one filter, pages.

https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices.  From api-version
2023-01-01-preview on, values in the filter are compared case-sensitively.  Figures are simulated: see ``price_data``.
"""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from localdev.azuresim.envelope import Json, Request, Response
from localdev.azuresim.filters import BadFilter, Equals, parse_filter
from localdev.azuresim.price_data import PLACES, Price, every_price

PAGE = 100

#: The filter calls one field by another name than the answer does.
_FILTER_NAMES = {"priceType": "type"}

_CURRENCIES = {"USD": 1.0, "EUR": 0.92, "GBP": 0.79, "CHF": 0.88}


def _identifier(price: Price, purpose: str) -> str:
    seed = f"{purpose}/{price.region}/{price.product}/{price.sku}"
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _item(price: Price, currency: str) -> Json:
    amount = round(price.amount * _CURRENCIES[currency], 6)
    product_id = "DZH" + _identifier(price, "product").replace("-", "").upper()[:9]
    return {
        "currencyCode": currency,
        "tierMinimumUnits": 0.0,
        "retailPrice": amount,
        "unitPrice": amount,
        "armRegionName": price.region,
        "location": PLACES[price.region][1],
        "effectiveStartDate": "2024-01-01T00:00:00Z",
        "meterId": _identifier(price, "meter"),
        "meterName": price.meter,
        "productId": product_id,
        "skuId": f"{product_id}/{_identifier(price, 'sku')[:4].upper()}",
        "productName": price.product,
        "skuName": price.sku,
        "serviceName": price.service,
        "serviceId": price.service_id,
        "serviceFamily": price.family,
        "unitOfMeasure": price.unit,
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": price.arm_sku,
    }


class PriceList:
    """All prices there are."""

    def __init__(self) -> None:
        self._prices = tuple(every_price())

    def answer(self, request: Request, base_url: str) -> Response:
        """One page; 400 for a filter, currency or position it cannot read."""
        if request.method != "GET":
            return Response(
                405, {"Message": f"The requested resource does not support http method '{request.method}'."}
            )
        query = request.parameters()
        currency = query.get("currencycode", "USD").strip("'").upper()
        skip = query.get("$skip", "0")
        if currency not in _CURRENCIES or not skip.isdigit():
            return _refusal("Invalid currency code or $skip.")
        try:
            terms = parse_filter(query.get("$filter", ""))
        except BadFilter:
            return _refusal("Invalid OData parameters supplied")
        terms = tuple(Equals(_FILTER_NAMES.get(term.field, term.field), term.value) for term in terms)
        found = [item for price in self._prices if _fits(item := _item(price, currency), terms)]
        unknown = [term.field for term in terms if term.field not in _FIELDS]
        if unknown:
            return _refusal(f"Invalid OData parameters supplied: {', '.join(unknown)}")
        start = int(skip)
        page = found[start : start + PAGE]
        more = start + PAGE < len(found)
        following = f"{base_url}/api/retail/prices?{urlencode({**_asked(request), '$skip': start + PAGE})}"
        body: Json = {
            "BillingCurrency": currency,
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": page,
            "NextPageLink": following if more else None,
            "Count": len(page),
        }
        return Response(200, body)


_FIELDS = frozenset(_item(next(every_price()), "USD"))


def _asked(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.parameters().items() if name != "$skip"}


def _fits(item: Json, terms: Sequence[Equals]) -> bool:
    def text(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return all(term.field in item and text(item[term.field]) == term.value for term in terms)


def _refusal(message: str) -> Response:
    return Response(400, {"Error": {"Code": "400", "Message": message}})
