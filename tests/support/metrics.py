"""The metrics of an application, as numbers."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


async def scraped(client: httpx.AsyncClient) -> dict[str, float]:
    """The samples of ours, by name and labels."""
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + "".join(f" {label}={value}" for label, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.name.startswith("plimsoll_")
    }
