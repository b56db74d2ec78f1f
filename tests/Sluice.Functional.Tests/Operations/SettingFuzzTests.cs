using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Server;
using Sluice.Server.Access;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Damaged key files and settings: they are refused with a reason, never by another exception.</summary>
public sealed class SettingFuzzTests : IDisposable
{
    private const string Hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    private static readonly byte[][] Pieces =
    [
        .. new[]
        {
            ":", "\n", "#", ",", "infer:", "*", " ", "-", "[", "{", "}", "]", "'", "\"", "&a", "*a", "!!int", "|", ">", "? ", "- ", "%",
            "true", "-1", "99999999999999999999", "1e9", "0x10", "TYPE", "::", "/", "../", "(", "\\", "@", "\t", "---\n", "...\n",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC3], [0],
    ];

    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void KeyFile_Damaged_IsReadOrRefusedWithItsName()
    {
        var text = Encoding.UTF8.GetBytes($"# keys\nalice:{Hash}:infer:add_*,metadata\n\nroot:{Hash}:infer,metadata,control,health\n");
        var (accepted, total) = (0, 0);
        foreach (var seed in Fuzz.Seeds(20261123, 3000))
        {
            File.WriteAllBytes(_file, Fuzz.Damage(new Random(seed), text, Pieces));
            total++;
            try
            {
                using var keys = new Authenticator(
                    new AuthOptions { ApiKeysPath = _file }, new LoginTokens(() => [1], TimeProvider.System), TimeProvider.System, NullLogger<Authenticator>.Instance);
                Assert.Null(keys.Authenticate("Bearer nobody"));
                accepted++;
            }
            catch (IOException error)
            {
                Assert.Contains(_file, error.Message, StringComparison.Ordinal);
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {error}");
            }
        }

        Assert.InRange(accepted, total / 100, total * 99 / 100);
    }

    [Fact]
    public void TokenKeys_Damaged_AreReadOrRefusedWithTheirName()
    {
        string[] seeds =
        [
            """{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}""",
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAA\n-----END PUBLIC KEY-----\n",
            "a secret of thirty-two bytes or more",
        ];
        foreach (var seed in Fuzz.Seeds(20261124, 1500))
        {
            var random = new Random(seed);
            File.WriteAllBytes(_file, Fuzz.Damage(random, Encoding.UTF8.GetBytes(seeds[random.Next(seeds.Length)]), Pieces));
            try
            {
                using var keys = new Authenticator(
                    new AuthOptions { JwtKeysPath = _file }, new LoginTokens(() => [1], TimeProvider.System), TimeProvider.System, NullLogger<Authenticator>.Instance);
                Assert.Null(keys.Authenticate("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA"));
            }
            catch (IOException error)
            {
                Assert.Contains(_file, error.Message, StringComparison.Ordinal);
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {File.ReadAllText(_file)}\n{error}");
            }
        }
    }

    [Fact]
    public void SettingsFile_Damaged_GivesErrorsAndNoException()
    {
        var text = Encoding.UTF8.GetBytes(
            "model-repository: /models\ngrpc-port: 9001\nhttp-port: 0\nload-model: [a, b]\nlog-format: json\nallow-grpc: true\n" +
            "trace-config: [rate=5, 'triton,file=x']\nhttp-header-forward-pattern: '^x-.*'\ngrpc-restricted-protocol: ['health:a=b']\n");
        foreach (var seed in Fuzz.Seeds(20261125, 3000))
        {
            File.WriteAllBytes(_file, Fuzz.Damage(new Random(seed), text, Pieces));
            try
            {
                OptionSources.Read([], _ => null, _file, new List<string>());
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {File.ReadAllText(_file)}\n{error}");
            }
        }
    }

    [Fact]
    public void EveryFlag_OddValue_GivesAnErrorAndNoException()
    {
        string[] values =
        [
            "", " ", "0", "-1", "1", "1.5", "99999999999999999999", "1e999", "NaN", "true", "x", "x:y", "x:y=z", "=", ":", ",", "a,b=c", "(", "[",
            "\0", "127.0.0.1", "::1", "unix:/tmp/x", "http://[", "file=x", "rate=0", "rate=x", "count=-5", "triton,rate=x", "opentelemetry,url=x",
            "opentelemetry,resource=x", "opentelemetry,bsp_max_queue_size=0", "health:", "health:a=b", "none,none:a=b", "5:6", "m,d=,k", "1:",
            new('x', 10_000),
        ];
        foreach (var name in OptionTable.All.Select(definition => definition.Name))
        {
            foreach (var value in values)
            {
                var error = Record.Exception(() => OptionSources.Read([(name, value)], _ => null, null, new List<string>()));
                Assert.True(error is null, $"--{name} '{value}': {error}");
            }
        }
    }
}
