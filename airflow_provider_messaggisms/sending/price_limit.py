"""What a send may cost: its estimate in the log, a warning if the credit is low, and the limit ``max_price_eur``."""

from __future__ import annotations

import logging

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.cost import Cost
from airflow_provider_messaggisms.gateway.credit import CONSOLE
from airflow_provider_messaggisms.gateway.price import Estimate, has_surcharge
from airflow_provider_messaggisms.hooks import MessaggiSmsHook

log = logging.getLogger(__name__)


def check_price(hook: MessaggiSmsHook, content: MessageContent, cost: Cost, max_price_eur: float | None) -> None:
    """
    Say in the log what a send will take, and hold its estimate against the limit.

    :param max_price_eur: EUR without VAT; ``None`` for no limit, or if the gateway's own quote is held against it.
    :raises ConfigurationError: The estimate is more, or there is a limit and the price of a part is unknown.
    """
    price, is_floor = hook.price_per_part_eur, has_surcharge(content)
    if price is None and max_price_eur is not None:
        price = hook.find_price_per_part()
    log.info("To send: %s", cost.described(price, is_floor=is_floor))
    if price is None:
        if max_price_eur is not None:
            raise ConfigurationError(
                "max_price_eur: the price of an SMS part is unknown, so the limit cannot be kept; set "
                "price_per_part_eur in the connection. Nothing was sent"
            )
        return
    estimate = Estimate(cost.parts * price, is_floor)
    estimate.check(max_price_eur)
    if hook.last_credit_eur is not None and estimate.eur > hook.last_credit_eur:
        log.warning(
            "The credit may be too low: it was last %.2f EUR, and this is estimated at %s. Recharge the wallet at %s",
            hook.last_credit_eur,
            estimate.described(),
            CONSOLE,
        )
