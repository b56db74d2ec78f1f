using System.IO.Compression;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Control;

/// <summary>Stores the code around an endpoint's model as an artifact of the service.</summary>
internal static class CodeUpload
{
    /// <summary>Stores a file or a folder.</summary>
    /// <returns>The artifact's name.</returns>
    /// <exception cref="CommandException">There is no such path.</exception>
    public static async Task<string> RunAsync(CommandContext context, DesiredState state, string key, string path)
    {
        var isFolder = Directory.Exists(path);
        if (!isFolder && !File.Exists(path))
            throw new CommandException($"could not find the preprocess module '{path}'");
        var file = isFolder ? PackageZip.Create(path, CompressionLevel.Optimal) : path;
        try
        {
            var header = new ArtifactHeader
            {
                ServiceId = state.Service.Id,
                Name = NameFor(state, key),
                FileName = isFolder ? Path.GetFileName(Path.GetFullPath(path).TrimEnd('/')) + ".zip" : Path.GetFileName(path),
                IsPackage = isFolder,
                Sha256 = FileUpload.Sha256(file),
            };
            var artifact = await context.Control.UploadAsync<UploadArtifactRequest, Artifact>(
                "Artifacts/UploadArtifact",
                FileUpload.ReadAsync(
                    file, new UploadArtifactRequest { Header = header }, data => new UploadArtifactRequest { Data = data }, null,
                    context.CancellationToken),
                context.CancellationToken).ConfigureAwait(false);
            return artifact.Name;
        }
        finally
        {
            if (isFolder)
                File.Delete(file);
        }
    }

    /// <summary>The original's name; where another endpoint has it already, as <c>a/b</c> and <c>a_b</c> would, one of its own.</summary>
    private static string NameFor(DesiredState state, string key)
    {
        var name = "py_code_" + key.Replace('/', '_');
        var isTaken =
            state.Endpoints.Any(endpoint => endpoint.PreprocessArtifact == name && Join(endpoint.ServingUrl, endpoint.Version) != key) ||
            state.Monitors.Any(monitor => monitor.PreprocessArtifact == name && monitor.BaseServingUrl != key);
        return isTaken ? "py_code_" + key.Replace("_", "__", StringComparison.Ordinal).Replace('/', '_') : name;
    }

    public static string Join(string name, string version) => version.Length == 0 ? name.Trim('/') : $"{name.Trim('/')}/{version.Trim('/')}";
}
