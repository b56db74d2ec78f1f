using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;

namespace Sluice.Functional.Tests;

public sealed class SharedMemoryDisabledTests
{
    [Fact]
    public async Task SharedMemory_UnlessAllowed_IsUnimplementedAndTheFlagIsNamed()
    {
        await using var server = await OwnServer.StartAsync(options => options, "wide");
        using var file = new SharedMemoryFile(64);
        var client = new SharedMemoryClient(server);
        foreach (var call in new Func<Task>[]
        {
            () => client.RegisterAsync("r", file, 64),
            () => client.UnregisterAsync("r"),
            () => client.UnregisterAsync(""),
            () => client.InferAsync(Request("wide", Input("INPUT0", "FP32", "r", 64, 0, 16))),
            () => server.CallAsync<CudaSharedMemoryRegisterResponse>("CudaSharedMemoryRegister", new CudaSharedMemoryRegisterRequest { Name = "g" }),
        })
            Assert.Contains("--allow-client-shm", (await FailsAsync(call(), InferenceCode.Unimplemented)).Message, StringComparison.Ordinal);

        Assert.Empty(await client.ListAsync());
        var answer = await server.PostAsync("/v2/systemsharedmemory/region/r/register", $"{{\"key\":\"{file.Key}\",\"byte_size\":64}}");
        Assert.Equal(501, answer.Status);
        Assert.Contains("--allow-client-shm", answer.Text, StringComparison.Ordinal);
        answer = await server.PostAsync(
            "/v2/models/wide/infer",
            """{"inputs":[{"name":"INPUT0","shape":[16],"datatype":"FP32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":64}}]}""");
        Assert.Equal(501, answer.Status);
    }
}
