import asyncio

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        return list(await asyncio.gather(*(self.one(request) for request in requests)))

    async def one(self, request):
        rows = [
            pb_utils.Tensor(name, pb_utils.get_input_tensor_by_name(request, name).as_numpy()[None]) for name in ("A", "B")
        ]
        response = await pb_utils.InferenceRequest("add_sub", ["SUM"], rows).async_exec()
        if response.has_error():
            return pb_utils.InferenceResponse(error=response.error())
        total = pb_utils.get_output_tensor_by_name(response, "SUM").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("AVERAGE", total[0] / 2)])
