"""The code of a ClearML endpoint with engine custom_async: asks two other endpoints at a time."""

import asyncio


class Preprocess:
    async def process(self, data, state, collect_custom_statistics_fn=None):
        first, second = await asyncio.gather(
            self.send_request(endpoint="model_a", data=data), self.send_request(endpoint="model_b", version="2", data=data))
        if first is None or second is None:
            raise ValueError("a part of the pipeline did not answer")
        return {"y": (first["y"][0] + second["y"][0]) / 2}
