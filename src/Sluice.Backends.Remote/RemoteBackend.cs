using Sluice.Client;
using Sluice.Inference;

namespace Sluice.Backends.Remote;

/// <summary>An engine whose models run on another server of the open inference protocol, called over gRPC.</summary>
/// <remarks>
/// <para>A model's parameters say where: <c>address</c> (<c>host:port</c> or a URL), <c>model</c> (its name there; default the same),
/// <c>version</c> (default the highest ready one) and <c>compression</c> (<c>true</c> compresses requests).</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
public sealed class RemoteBackend(RemoteChannelOptions options) : IBackend
{
    private static readonly TimeSpan LoadLimit = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public string Name => "remote";

    /// <inheritdoc/>
    public IBackendModel Load(ModelSettings settings)
    {
        var text = settings.Parameters.GetValueOrDefault("address", "");
        var address = Parse(text) ?? throw InferenceException.Invalid(
            $"model '{settings.Name}' runs on another server, whose address '{text}' is none; it must look like host:8001");
        var compresses = settings.Parameters.GetValueOrDefault("compression") == "true";
        var client = new SluiceClient(address, options.ToClient(compresses));
        try
        {
            var name = settings.Parameters.GetValueOrDefault("model", settings.Name);
            var version = settings.Parameters.GetValueOrDefault("version", "");

            // Loads have threads of their own that may block.
            var metadata = client.GetModelMetadataAsync(name, version, new CallOptions { Timeout = LoadLimit }).GetAwaiter().GetResult();
            return new RemoteModel(client, address, name, version, RemoteDescription.Of(metadata, address));
        }
        catch (SluiceException error)
        {
            client.Dispose();
            throw new InferenceException(error.Code, $"server {address.Authority}: {error.Message}", error);
        }
        catch (InferenceException)
        {
            client.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static Uri? Parse(string text)
    {
        var full = text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text;
        return text.Length > 0 && Uri.TryCreate(full, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address : null;
    }
}
