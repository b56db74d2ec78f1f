using System.Diagnostics;
using System.Text.Json;
using Sluice.Control.Artifacts;

namespace Sluice.Control.Tests.Artifacts;

/// <summary>S3's and Azure's stand-ins for the tests that need them.</summary>
[CollectionDefinition(Name)]
public sealed class StorageGroup : ICollectionFixture<StorageGroup.Fixture>
{
    public const string Name = "storage";

    public sealed class Fixture : IDisposable
    {
        /// <summary>The account that azurite knows, published with it.</summary>
        public const string AzureAccount = "devstoreaccount1";

        private const string AzureKey =
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

        private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

        private readonly string _folder = Directory.CreateTempSubdirectory("sluice-objects-").FullName;
        private readonly Process? _process;

        public Fixture()
        {
            var root = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(root, "Server.sln")))
                root = Path.GetDirectoryName(root)!;
            var modules = Path.Combine(root, "artifacts", "storage", "node_modules");
            if (!Directory.Exists(modules))
            {
                Assert.True(
                    string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")),
                    $"{modules} is missing; scripts/install-test.sh brings it");
                return;
            }

            var start = new ProcessStartInfo("node", [Path.Combine(root, "tests/storage/start.js"), modules, _folder])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            _process = Process.Start(start)!;
            _process.ErrorDataReceived += (_, _) => { };
            _process.BeginErrorReadLine();
            var line = _process.StandardOutput.ReadLineAsync().WaitAsync(Limit).GetAwaiter().GetResult();
            var addresses = JsonDocument.Parse(line ?? throw new InvalidOperationException("the object stores did not start")).RootElement;
            S3 = addresses.GetProperty("s3").GetString();
            Azure = addresses.GetProperty("azure").GetString();
            CreateContainer();
        }

        /// <summary>Host and port of S3's stand-in; null where there is none.</summary>
        public string? S3 { get; }

        /// <summary>Host and port of Azure's stand-in; null where there is none.</summary>
        public string? Azure { get; }

        /// <summary>Settings with right credentials.</summary>
        public static string? Credentials(string name) => name switch
        {
            "AWS_ACCESS_KEY_ID" or "AWS_SECRET_ACCESS_KEY" => "S3RVER",
            "AZURE_STORAGE_ACCOUNT" => AzureAccount,
            "AZURE_STORAGE_KEY" => AzureKey,
            _ => null,
        };

        public void Dispose()
        {
            if (_process is not null)
            {
                _process.StandardInput.Close();
                if (!_process.WaitForExit(Limit))
                    _process.Kill(entireProcessTree: true);
                _process.Dispose();
            }

            Directory.Delete(_folder, recursive: true);
        }

        private void CreateContainer()
        {
            using var http = new HttpClient();
            using var request = new HttpRequestMessage(
                HttpMethod.Put, $"http://{Azure}/{AzureAccount}/models?restype=container");
            new AzureSigner(Credentials).Sign(request, AzureAccount, DateTimeOffset.UtcNow);
            using var response = http.Send(request);
            response.EnsureSuccessStatusCode();
        }
    }
}
