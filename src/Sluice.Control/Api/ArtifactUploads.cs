using Sluice.Control.Artifacts;
using Sluice.Control.Records;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;

namespace Sluice.Control.Api;

/// <summary>Stores files of services under their hashes, so that equal contents are one object and none is ever written over.</summary>
public sealed class ArtifactUploads
{
    private readonly ControlEdits _edits;

    internal ArtifactUploads(ControlEdits edits, ArtifactStorage storage)
    {
        _edits = edits;
        Storage = storage;
    }

    internal ArtifactStorage Storage { get; }

    /// <summary>Stores what a stream gives under a name of a service.</summary>
    /// <param name="header">What it is.</param>
    /// <param name="content">The contents; read to their end.</param>
    /// <param name="context">Who uploads.</param>
    public async Task<Artifact> UploadAsync(ArtifactHeader header, Stream content, CallContext context)
    {
        using var spool = new SpoolFile(Storage.Options);
        var buffer = new byte[64 * 1024];
        while (await content.ReadAsync(buffer, context.CancellationToken).ConfigureAwait(false) is var count and > 0)
            await spool.WriteAsync(buffer.AsMemory(0, count), context.CancellationToken).ConfigureAwait(false);
        return await StoreAsync(header, spool, context).ConfigureAwait(false);
    }

    internal async Task<Artifact> StoreAsync(ArtifactHeader header, SpoolFile spool, CallContext context)
    {
        if (string.IsNullOrWhiteSpace(header.Name))
            throw InferenceException.Invalid("the artifact's name is missing");
        var state = await _edits.ReadAsync(header.ServiceId, context.CancellationToken).ConfigureAwait(false);
        var sha256 = spool.Complete(header.Sha256);
        var fileName = Path.GetFileName(header.FileName.Length > 0 ? header.FileName : header.Name);
        var address = ArtifactUri.Join(Storage.Options.Destination, state.Service.Id, "artifacts", sha256, fileName);
        if (!await IsThereAsync(address, spool.SizeBytes, context.CancellationToken).ConfigureAwait(false))
            await WriteAsync(address, spool, sha256, context.CancellationToken).ConfigureAwait(false);
        var record = new ArtifactRecord(
            header.Name, address, sha256, spool.SizeBytes, fileName, header.IsPackage, _edits.Plane.Time.GetUtcNow());
        var target = new EditTarget(state.Service.Id, "artifact.put", header.Name);
        await _edits.EditAsync(
            target, (now, _) => now with { Artifacts = now.Artifacts.With(record.Name, Kept(now, record)) }, context).ConfigureAwait(false);
        return record.ToMessage();
    }

    /// <summary>The same contents again are no change.</summary>
    private static ArtifactRecord Kept(Records.DesiredState state, ArtifactRecord record) =>
        state.Artifacts.TryGetValue(record.Name, out var known) && known with { CreatedAt = record.CreatedAt } == record ? known : record;

    private async Task<bool> IsThereAsync(string address, long sizeBytes, CancellationToken cancellationToken)
    {
        try
        {
            return (await Storage.HeadAsync(address, cancellationToken).ConfigureAwait(false)).SizeBytes == sizeBytes;
        }
        catch (InferenceException error) when (error.Code == InferenceCode.NotFound)
        {
            return false;
        }
    }

    private async Task WriteAsync(string address, SpoolFile spool, string sha256, CancellationToken cancellationToken)
    {
        var upload = await Storage.BeginUploadAsync(address, cancellationToken).ConfigureAwait(false);
        await using (upload.ConfigureAwait(false))
        {
            await foreach (var piece in spool.ReadAsync(cancellationToken).ConfigureAwait(false))
                await upload.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            await upload.CompleteAsync(sha256, cancellationToken).ConfigureAwait(false);
        }
    }
}
