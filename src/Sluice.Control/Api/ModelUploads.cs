using Sluice.Control.Artifacts;
using Sluice.Control.Records;
using Sluice.Control.Registry;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;

namespace Sluice.Control.Api;

/// <summary>Stores models' files and enters them: first the file as a whole, then the model, so that a model always has its file.</summary>
public sealed class ModelUploads
{
    private const int LongestProject = 256;
    private const int LongestService = 128;
    private const int CopyBytes = 256 * 1024;

    private readonly ControlEdits _edits;

    internal ModelUploads(ControlEdits edits, ArtifactStorage storage)
    {
        _edits = edits;
        Storage = storage;
    }

    internal ArtifactStorage Storage { get; }

    /// <summary>Stores what a stream gives and enters it.</summary>
    /// <param name="header">What it is.</param>
    /// <param name="content">The file; read to its end.</param>
    /// <param name="context">Who uploads.</param>
    /// <exception cref="InferenceException">The header is wrong, the contents are not what it says, or a store refuses.</exception>
    public async Task<Model> UploadAsync(RegisterModelRequest header, Stream content, CallContext context)
    {
        var upload = await BeginAsync(header, context).ConfigureAwait(false);
        await using (upload.ConfigureAwait(false))
        {
            var buffer = new byte[CopyBytes];
            while (await content.ReadAsync(buffer, context.CancellationToken).ConfigureAwait(false) is var count and > 0)
                await upload.File.WriteAsync(buffer.AsMemory(0, count), context.CancellationToken).ConfigureAwait(false);
            return await upload.CompleteAsync().ConfigureAwait(false);
        }
    }

    internal async Task<ModelUpload> BeginAsync(RegisterModelRequest header, CallContext context)
    {
        var model = Draft(header);
        if (header.Uri.Length > 0)
            throw InferenceException.Invalid("an upload has no uri; register the model to leave its file where it is");
        var fileName = Path.GetFileName(header.FileName);
        if (fileName.Length == 0)
            throw InferenceException.Invalid("file_name is missing: the upload must say what its file is called");
        if (header.IsPackage && !fileName.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
            fileName += ".zip";
        var address = await PlaceAsync(header, model, fileName, context).ConfigureAwait(false);
        var file = await Storage.BeginUploadAsync(address, context.CancellationToken).ConfigureAwait(false);
        return new ModelUpload(this, file, model with { Uri = address, FileName = fileName, IsManaged = true }, header.Sha256, context);
    }

    internal async Task<Model> RegisterAsync(RegisterModelRequest request, CallContext context)
    {
        var model = Draft(request);
        if (request.Uri.Length == 0)
            throw InferenceException.Invalid("uri is missing: say where the model's file is, or upload it");
        Storage.Check(request.Uri);
        var name = request.FileName.Length > 0 ? Path.GetFileName(request.FileName) : ArtifactUri.Parse(request.Uri).FileName;
        if (request.Sha256 is { Length: > 0 } hash && (hash.Length != 64 || !hash.All(char.IsAsciiHexDigit)))
            throw InferenceException.Invalid($"sha256 '{hash}' must be 64 hex digits");
        return await EnterAsync(
            model with { Uri = request.Uri, FileName = name, Sha256 = request.Sha256.ToLowerInvariant() }, context).ConfigureAwait(false);
    }

    internal async Task<Model> EnterAsync(ModelRecord model, CallContext context) =>
        (await _edits.Plane.Registry.AddAsync(model, context.Actor, context.CancellationToken).ConfigureAwait(false)).ToMessage();

    private static ModelRecord Draft(RegisterModelRequest request)
    {
        var errors = new List<string>();
        if (string.IsNullOrWhiteSpace(request.Name))
            errors.Add("name is missing");
        if (string.IsNullOrWhiteSpace(request.Project))
            errors.Add("project is missing");
        errors.AddRange(request.Tags.Where(tag => !IsTag(tag)).Select(tag => $"tag '{tag}' is empty or begins with - or __$, which queries use"));
        var framework = request.Framework.Length > 0
            ? Frameworks.Normalize(request.Framework)
            : Frameworks.OfFile(request.FileName.Length > 0 ? request.FileName : request.Uri);
        if (framework is null)
            errors.Add($"framework '{request.Framework}' is not known; use one of: {string.Join(", ", Frameworks.All)}");
        if (errors.Count > 0)
            throw InferenceException.Invalid($"model '{request.Name}': {string.Join("; ", errors)}");
        return new ModelRecord
        {
            Id = Guid.NewGuid().ToString("n"),
            Name = request.Name,
            Project = request.Project,
            Tags = ValueList.From(request.Tags.Distinct(StringComparer.Ordinal)),
            SystemTags = request.IsPackage ? [ModelRecord.PackageTag] : [],
            Framework = framework!,
            IsPublished = request.Publish,
            Labels = new(request.Labels),
            Comment = request.Comment,
            Uri = "",
        };
    }

    internal static bool IsTag(string tag) =>
        !string.IsNullOrWhiteSpace(tag) && tag[0] != '-' && !tag.StartsWith("__$", StringComparison.Ordinal);

    /// <summary>The original's place of a model, with the model's id, so that a later file of that name is another object.</summary>
    private async Task<string> PlaceAsync(RegisterModelRequest header, ModelRecord model, string fileName, CallContext context)
    {
        var destination = header.Destination.Length > 0 ? header.Destination : Storage.Options.Destination;
        var names = new List<string> { Truncate(model.Project, LongestProject) };
        if (header.ServiceId.Length > 0)
        {
            var state = await _edits.ReadAsync(header.ServiceId, context.CancellationToken).ConfigureAwait(false);
            names.Add($"{Truncate(state.Service.Name, LongestService)}.{state.Service.Id}");
        }

        return ArtifactUri.Join(destination, [.. names, "models", model.Id, fileName]);
    }

    private static string Truncate(string name, int most)
    {
        var cut = name.Length <= most ? name : name[..most];

        // A name of dots alone would leave its folder.
        return cut.Trim('.').Length == 0 ? "_" : cut;
    }
}

/// <summary>One model on its way in; disposing without completion leaves neither file nor model.</summary>
internal sealed class ModelUpload(ModelUploads uploads, ArtifactUpload file, ModelRecord model, string sha256, CallContext context)
    : IAsyncDisposable
{
    public ArtifactUpload File => file;

    public async Task<Model> CompleteAsync()
    {
        var hash = await file.CompleteAsync(sha256, context.CancellationToken).ConfigureAwait(false);
        try
        {
            return await uploads.EnterAsync(model with { Sha256 = hash, SizeBytes = file.SizeBytes }, context).ConfigureAwait(false);
        }
        catch
        {
            // Nobody knows the file, so nobody would ever remove it.
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            await uploads.Storage.DeleteAsync(file.Address, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    public ValueTask DisposeAsync() => file.DisposeAsync();
}
