using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests.Control;

/// <summary>Files much larger than memory should be used for them; the size grows with SLUICE_LARGE_FILE_BYTES.</summary>
public sealed class LargeFileTests(Xunit.Abstractions.ITestOutputHelper output) : IDisposable
{
    private const long MostMoreBytes = 100L * 1024 * 1024;

    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-large-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task File_UpAndDown_NeedsLittleMemory()
    {
        var size = long.Parse(
            Environment.GetEnvironmentVariable("SLUICE_LARGE_FILE_BYTES") ?? "268435456", CultureInfo.InvariantCulture);
        var path = Path.Combine(_folder, "model.bin");
        await using (var sparse = File.Create(path))
            sparse.SetLength(size);
        using var process = new ServerProcess(
            [
                "serve", "--http-port=0", "--grpc-port=0", "--metrics-port=0", "--serve-address=127.0.0.1", "--serve-port=0",
                $"--data-folder={_folder}/data", "--warm-up=false",
            ],
            ("SLUICE_CONTROL_PLANE", "true"));
        using var http = new HttpClient { BaseAddress = await process.ServeAddressAsync(), Timeout = TimeSpan.FromMinutes(5) };
        (await http.GetAsync("/v1/models")).EnsureSuccessStatusCode();
        var before = process.PeakMemoryBytes;

        await using var file = File.OpenRead(path);
        using var put = await http.PutAsync("/v1/models:upload?name=m&project=p&file_name=model.bin", new StreamContent(file));
        Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        var model = await put.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(size.ToString(CultureInfo.InvariantCulture), model.GetProperty("sizeBytes").GetString());
        await using (var content = await http.GetStreamAsync($"/v1/models/{model.GetProperty("id").GetString()}/content"))
        {
            var buffer = new byte[1 << 20];
            long read = 0;
            while (await content.ReadAsync(buffer) is var count and > 0)
                read += count;
            Assert.Equal(size, read);
        }

        var more = process.PeakMemoryBytes - before;
        Assert.True(more < MostMoreBytes, $"{more} more bytes of memory for a file of {size}");
        output.WriteLine($"{more / 1048576} MiB more memory for a file of {size / 1048576} MiB");
        process.Terminate();
        Assert.Equal(0, await process.EndAsync());
    }
}
