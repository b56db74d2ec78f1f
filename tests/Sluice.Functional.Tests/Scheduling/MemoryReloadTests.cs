using System.Globalization;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>Models come and go and leave nothing in memory.</summary>
/// <remarks><c>SLUICE_TEST_LOAD_CYCLES</c> sets how often. It looks at the memory of the process, so nothing runs beside it.</remarks>
[Collection(MeasuringGroup.Name)]
public sealed class MemoryReloadTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const string Model = "add_sub_int32";

    [Fact]
    public async Task LoadAndUnload_GiveTheMemoryBack()
    {
        await using var server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, Model);
        await server.Grpc.LoadModelAsync(Model);
        var cycles = int.Parse(Environment.GetEnvironmentVariable("SLUICE_TEST_LOAD_CYCLES") ?? "30", CultureInfo.InvariantCulture);
        await RunAsync(10);
        var before = ResidentBytes();
        await RunAsync(cycles);
        var after = ResidentBytes();
        output.WriteLine($"{cycles} cycles: {before >> 20} MiB before, {after >> 20} MiB after");
        Assert.True(after < before * 1.1, $"{before} bytes before, {after} bytes after {cycles} cycles");

        async Task RunAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await server.Grpc.UnloadModelAsync(Model);
                await server.Grpc.LoadModelAsync(Model);
                await OperatedServer.InferAsync(server.Grpc);
            }
        }
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        var pages = File.ReadAllText("/proc/self/statm").Split(' ')[1];
        return long.Parse(pages, CultureInfo.InvariantCulture) * Environment.SystemPageSize;
    }
}
