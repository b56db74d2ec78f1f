using System.Net.Http.Headers;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Rest.V2;
using Sluice.Rpc.Access;
using Sluice.Server.Access;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Who may call what, over both front ends.</summary>
public sealed class AccessTests
{
    private const string Keys = """
        # name:hash:scopes
        alice:{alice}:infer:add_*
        bob:{bob}:infer,metadata

        root:{root}:infer,metadata,control,health
        """;

    [Fact]
    public async Task ApiKeys_OverGrpcio_GiveTheRightStatuses()
    {
        await using var server = await StartAsync();
        await PythonOperations.RunAsync("auth", server.Host.GrpcAddress!);
    }

    [Theory]
    [InlineData("/v2/health/live", "", 200)]
    [InlineData("/v2/models/add_sub_int32/ready", "", 200)]
    [InlineData("/v2", "", 401)]
    [InlineData("/v2", "Bearer wrong", 401)]
    [InlineData("/v2", "Digest x", 401)]
    [InlineData("/v2", "Bearer key-of-alice", 403)]
    [InlineData("/v2", "Bearer key-of-bob", 200)]
    [InlineData("/v2", "bearer key-of-bob", 200)]
    [InlineData("/v2", "Basic Ym9iOmtleS1vZi1ib2I=", 200)]
    [InlineData("/v2", "Basic !", 401)]
    [InlineData("/v2/logging", "Bearer key-of-bob", 403)]
    [InlineData("/v2/trace/setting", "Bearer key-of-root", 200)]
    public async Task Routes_ByScope_AnswerWithTheRightStatus(string path, string authorization, int status)
    {
        await using var server = await StartAsync();
        using var http = server.CreateHttp();
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (authorization.Length > 0)
            request.Headers.TryAddWithoutValidation("authorization", authorization);
        using var response = await http.SendAsync(request);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 401, response.Headers.WwwAuthenticate.Contains(new AuthenticationHeaderValue("Bearer", "realm=\"sluice\"")));
        if (status >= 400)
            Assert.StartsWith("{\"error\":", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ModelScope_HoldsForEachRequestOfAStream()
    {
        await using var server = await StartAsync("add_sub_int32", "identity_int32");
        using var client = server.CreateClient();
        var alice = Header("Bearer key-of-alice");
        await using var stream = client.OpenInferStream(alice);
        await stream.WriteAsync(OperatedServer.AddSub("first"));
        await stream.WriteAsync(OperatedServer.AddSub("second", "identity_int32"));
        using var first = await stream.ReadAsync();

        Assert.Equal("first", first!.Id);
        using var second = await stream.ReadAsync();
        Assert.Equal("caller 'alice' has no scope 'infer:identity_int32'", second!.Error);
        var unary = await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(OperatedServer.AddSub("", "identity_int32"), alice));
        Assert.Equal(InferenceCode.PermissionDenied, unary.Code);
    }

    /// <summary>A refusal is no failure of a model, so it does not end a stream that wants statuses of those.</summary>
    [Fact]
    public async Task ModelScope_OnAStreamWithStatuses_IsRefusedInTheStream()
    {
        await using var server = await StartAsync("add_sub_int32", "identity_int32");
        using var client = server.CreateClient();
        var options = Header("Bearer key-of-alice");
        options.Metadata!.Add("triton_grpc_error", "true");
        await using var stream = client.OpenInferStream(options);
        await stream.WriteAsync(OperatedServer.AddSub("first", "identity_int32"));
        using var first = await stream.ReadAsync();
        Assert.Equal("caller 'alice' has no scope 'infer:identity_int32'", first!.Error);
        await stream.WriteAsync(OperatedServer.AddSub("second"));
        using var second = await stream.ReadAsync();
        Assert.Null(second!.Error);
    }

    [Theory]
    [InlineData("/v2/models/repeat_int32/generate")]
    [InlineData("/v2/models/repeat_int32/generate_stream")]
    public async Task Generate_NeedsTheScopeOfItsModel(string path)
    {
        await using var server = await StartAsync("add_sub_int32", "repeat_int32");
        using var http = server.CreateHttp();
        foreach (var (key, status) in new[] { ("", 401), ("key-of-alice", 403), ("key-of-bob", 200) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path)
            {
                Content = new StringContent("""{"IN":[1],"DELAY":[0],"WAIT":0}"""),
            };
            if (key.Length > 0)
                request.Headers.TryAddWithoutValidation("authorization", "Bearer " + key);
            using var response = await http.SendAsync(request);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task Keys_ThatChange_AreReadAnew()
    {
        await using var server = await StartAsync();
        using var client = server.CreateClient();
        await client.GetServerMetadataAsync(Header("Bearer key-of-bob"));
        var path = Path.Combine(server.Folder, "keys");
        await File.WriteAllTextAsync(path, "nonsense");
        await Eventually.TrueAsync(() =>
        {
            client.GetServerMetadataAsync(Header("Bearer key-of-bob")).GetAwaiter().GetResult();
            return server.Log.Contains("New keys cannot be used, the old ones stay", StringComparison.Ordinal);
        }, () => server.Log);

        await File.WriteAllTextAsync(path, KeyFile().Replace("bob:", "bobby:", StringComparison.Ordinal).Replace(Hash("key-of-bob"), Hash("new"), StringComparison.Ordinal));
        await Eventually.TrueAsync(() => CodeAsync(client, "Bearer key-of-bob").GetAwaiter().GetResult() == InferenceCode.Unauthenticated, () => server.Log);
        Assert.Equal(InferenceCode.Ok, await CodeAsync(client, "Bearer new"));
    }

    [Theory]
    [InlineData("a:b", "must look like NAME:SHA256:SCOPES")]
    [InlineData("a:12:infer", "64 hexadecimal digits")]
    [InlineData("a:{alice}:fly", "'fly' is no scope")]
    public async Task KeyFile_ThatIsWrong_StopsTheStart(string line, string reason)
    {
        var error = await Assert.ThrowsAsync<IOException>(() => OperatedServer.StartAsync((options, folder) =>
        {
            File.WriteAllText(Path.Combine(folder, "keys"), "# first\n" + line.Replace("{alice}", Hash("x"), StringComparison.Ordinal));
            return options with { Auth = new AuthOptions { ApiKeysPath = Path.Combine(folder, "keys") } };
        }));

        Assert.Contains("line 2", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SecurityAlgorithms.HmacSha256, "text")]
    [InlineData(SecurityAlgorithms.HmacSha256, "jwks")]
    [InlineData(SecurityAlgorithms.RsaSha256, "pem")]
    [InlineData(SecurityAlgorithms.RsaSha256, "jwks")]
    [InlineData(SecurityAlgorithms.EcdsaSha256, "pem")]
    [InlineData(SecurityAlgorithms.EcdsaSha256, "jwks")]
    public async Task Tokens_OfEachKind_AreChecked(string algorithm, string form)
    {
        var (key, text) = CreateKey(algorithm, form);
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            File.WriteAllText(Path.Combine(folder, "jwt"), text);
            return options with { Auth = new AuthOptions { JwtKeysPath = Path.Combine(folder, "jwt"), JwtIssuer = "us", JwtAudience = "sluice" } };
        });
        using var client = server.CreateClient();
        var good = Token(key, algorithm);

        Assert.Equal(InferenceCode.Ok, await CodeAsync(client, "Bearer " + good));
        Assert.Equal(InferenceCode.Ok, await CodeAsync(client, "Bearer " + good));
        Assert.Equal(InferenceCode.PermissionDenied, await CodeAsync(client, "Bearer " + Token(key, algorithm, scope: "infer:x health")));
        Assert.Equal(InferenceCode.Unauthenticated, await CodeAsync(client, "Bearer " + Token(key, algorithm, minutes: -5)));
        Assert.Equal(InferenceCode.Unauthenticated, await CodeAsync(client, "Bearer " + Token(key, algorithm, issuer: "them")));
        Assert.Equal(InferenceCode.Unauthenticated, await CodeAsync(client, "Bearer " + Token(key, algorithm, audience: "other")));
        Assert.Equal(InferenceCode.Unauthenticated, await CodeAsync(client, "Bearer " + Token(CreateKey(algorithm, form).Key, algorithm)));
        var parts = good.Split('.');
        Assert.Equal(InferenceCode.Unauthenticated, await CodeAsync(client, $"Bearer {parts[0]}.{parts[1]}."));
        var none = Base64UrlEncoder.Encode("{\"alg\":\"none\",\"typ\":\"JWT\"}");
        Assert.Equal(InferenceCode.Unauthenticated, await CodeAsync(client, $"Bearer {none}.{parts[1]}."));
    }

    [Fact]
    public void Table_OfMethods_ClosesWhatItDoesNotKnow()
    {
        Assert.Equal(AccessScope.Infer, AccessTable.OfMethod("/inference.GRPCInferenceService/ModelStreamInfer"));
        Assert.Equal(AccessScope.Control, AccessTable.OfMethod("/inference.GRPCInferenceService/SystemSharedMemoryRegister"));
        Assert.Equal(AccessScope.Infer, AccessTable.OfRoute("POST", "/v2/models/{model}/versions/{version}/infer"));
        Assert.Equal(AccessScope.Control, AccessTable.OfRoute("POST", "/v2/repository/models/{model}/load"));
    }

    /// <summary>Nothing is left to the default, which is there for what somebody forgets.</summary>
    [Fact]
    public async Task Table_NamesEveryMethodAndRoute()
    {
        await using var server = await StartAsync();
        var methods = server.Host.Methods.All.Select(method => method.Path);
        var routes = V2Routes.Create(server.Host.Methods, server.Host.Engine)
            .Select(route => $"{route.Method} {route.Pattern.Replace("/versions/{version}", "", StringComparison.Ordinal)}");
        Assert.Empty(methods.Concat(routes).Except(AccessTable.Named));

        // Those of the port of endpoints are looked at where that port is (HistoryAccessTests).
        Assert.Equal(
            ["GET /metrics"],
            AccessTable.Named.Except(methods.Concat(routes)).Where(name => !name.Contains("serving.", StringComparison.Ordinal) && !name.Contains("auth.", StringComparison.Ordinal) && !name.Contains("etrics.v1", StringComparison.Ordinal) && !name.Contains("/v1/metrics", StringComparison.Ordinal)));
    }

    private static Task<OperatedServer> StartAsync(params string[] models) => OperatedServer.StartAsync((options, folder) =>
    {
        File.WriteAllText(Path.Combine(folder, "keys"), KeyFile());
        return options with { Auth = new AuthOptions { ApiKeysPath = Path.Combine(folder, "keys") } };
    }, models);

    private static string KeyFile() => Keys.Replace("{alice}", Hash("key-of-alice"), StringComparison.Ordinal)
        .Replace("{bob}", Hash("key-of-bob"), StringComparison.Ordinal).Replace("{root}", Hash("key-of-root"), StringComparison.Ordinal);

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static CallOptions Header(string authorization)
    {
        var metadata = new RpcMetadata();
        metadata.Add("authorization", authorization);
        return new CallOptions { Metadata = metadata };
    }

    private static async Task<InferenceCode> CodeAsync(SluiceClient client, string authorization)
    {
        try
        {
            await client.GetServerMetadataAsync(Header(authorization));
            return InferenceCode.Ok;
        }
        catch (SluiceException error)
        {
            return error.Code;
        }
    }

    private static (SecurityKey Key, string Text) CreateKey(string algorithm, string form)
    {
        if (algorithm == SecurityAlgorithms.HmacSha256)
        {
            var secret = Convert.ToHexString(RandomNumberGenerator.GetBytes(32));
            var bytes = Encoding.UTF8.GetBytes(secret);
            return (new SymmetricSecurityKey(bytes),
                form == "text" ? secret + "\n" : $$"""{"keys":[{"kty":"oct","k":"{{Base64UrlEncoder.Encode(bytes)}}"}]}""");
        }

        if (algorithm == SecurityAlgorithms.RsaSha256)
        {
            var rsa = RSA.Create(2048);
            var numbers = rsa.ExportParameters(includePrivateParameters: false);
            return (new RsaSecurityKey(rsa), form == "pem"
                ? rsa.ExportSubjectPublicKeyInfoPem()
                : $$"""{"keys":[{"kty":"RSA","n":"{{Base64UrlEncoder.Encode(numbers.Modulus)}}","e":"{{Base64UrlEncoder.Encode(numbers.Exponent)}}"}]}""");
        }

        var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = curve.ExportParameters(includePrivateParameters: false).Q;
        return (new ECDsaSecurityKey(curve), form == "pem"
            ? curve.ExportSubjectPublicKeyInfoPem()
            : $$"""{"keys":[{"kty":"EC","crv":"P-256","x":"{{Base64UrlEncoder.Encode(point.X)}}","y":"{{Base64UrlEncoder.Encode(point.Y)}}"}]}""");
    }

    private static string Token(
        SecurityKey key, string algorithm, string scope = "metadata health", string issuer = "us", string audience = "sluice", int minutes = 5) =>
        new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Subject = new ClaimsIdentity([new Claim("sub", "service"), new Claim("scope", scope)]),
            Issuer = issuer,
            Audience = audience,
            NotBefore = DateTime.UtcNow.AddMinutes(-10),
            Expires = DateTime.UtcNow.AddMinutes(minutes),
            SigningCredentials = new SigningCredentials(key, algorithm),
        });
}
