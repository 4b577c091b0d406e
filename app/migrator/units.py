"""Numbers and times with what the published JSON Schemas say of them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

Time = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(description="In seconds.")]
Bytes = Annotated[int, Meta(description="In bytes.")]
Rows = Annotated[int, Meta(description="A number of rows.")]
EstimatedRows = Annotated[int, Meta(description="A number of rows as the server last estimated it.")]
Months = Annotated[int, Meta(description="A number of months before the current one.")]
