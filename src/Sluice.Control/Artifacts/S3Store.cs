using System.Collections.Concurrent;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Objects of Amazon S3 and of what speaks its protocol: <c>s3://bucket/key</c>, <c>s3://host:port/bucket/key</c>, and
/// Google's interoperability endpoint for <c>gs://bucket/key</c>.</summary>
/// <remarks>Credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, else the SDK's own chain; for gs://
/// GOOGLE_HMAC_ACCESS_KEY and GOOGLE_HMAC_SECRET. A host with a port is spoken to without encryption unless the port is 443 or
/// SLUICE_S3_SECURE is true.</remarks>
internal sealed class S3Store(Func<string, string?> settings) : IObjectStore, IDisposable
{
    private const string AwsCredentials = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    private const string GoogleCredentials = "GOOGLE_HMAC_ACCESS_KEY and GOOGLE_HMAC_SECRET";
    private const string GoogleEndpoint = "https://storage.googleapis.com";

    private readonly ConcurrentDictionary<string, Lazy<AmazonS3Client>> _clients = new(StringComparer.Ordinal);

    public Task<ObjectHead> HeadAsync(ArtifactUri uri, CancellationToken cancellationToken) => GuardAsync(
        uri,
        async place =>
        {
            var head = await place.Client.GetObjectMetadataAsync(place.Bucket, place.Key, cancellationToken).ConfigureAwait(false);
            return new ObjectHead(head.ContentLength, head.ETag ?? "");
        },
        cancellationToken);

    public Task<Stream> OpenReadAsync(ArtifactUri uri, long offset, CancellationToken cancellationToken) => GuardAsync(
        uri,
        async place =>
        {
            var request = new GetObjectRequest { BucketName = place.Bucket, Key = place.Key };
            if (offset > 0)
                request.ByteRange = new ByteRange($"bytes={offset}-");
            var response = await place.Client.GetObjectAsync(request, cancellationToken).ConfigureAwait(false);
            return response.ResponseStream;
        },
        cancellationToken);

    public Task<ObjectWriter> BeginWriteAsync(ArtifactUri uri, CancellationToken cancellationToken) =>
        Task.FromResult<ObjectWriter>(new Writer(this, uri));

    public Task DeleteAsync(ArtifactUri uri, CancellationToken cancellationToken) => GuardAsync(
        uri, place => place.Client.DeleteObjectAsync(place.Bucket, place.Key, cancellationToken), cancellationToken);

    public void Dispose()
    {
        foreach (var client in _clients.Values)
            client.Value.Dispose();
    }

    private Place Locate(ArtifactUri uri)
    {
        var isOwnHost = uri.Scheme == "s3" && uri.Authority.Contains(':', StringComparison.Ordinal);
        var (bucket, key) = isOwnHost ? Split(uri) : (uri.Authority, uri.Path);
        if (bucket.Length == 0 || key.Length == 0)
            throw InferenceException.Invalid(
                $"'{uri.Text}' names no object; use s3://BUCKET/KEY, s3://HOST:PORT/BUCKET/KEY or gs://BUCKET/KEY");
        var endpoint = isOwnHost ? Endpoint(uri.Authority)
            : uri.Scheme == "gs" ? GoogleEndpoint
            : settings("AWS_ENDPOINT_URL_S3") ?? settings("AWS_ENDPOINT_URL") ?? "";
        var client = _clients.GetOrAdd($"{uri.Scheme} {endpoint}", _ => new Lazy<AmazonS3Client>(() => Connect(uri.Scheme, endpoint)));
        return new Place(client.Value, bucket, key);
    }

    private static (string Bucket, string Key) Split(ArtifactUri uri)
    {
        var slash = uri.Path.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (uri.Path, "") : (uri.Path[..slash], uri.Path[(slash + 1)..]);
    }

    private string Endpoint(string authority)
    {
        var isSecure = authority.EndsWith(":443", StringComparison.Ordinal) ||
            string.Equals(settings("SLUICE_S3_SECURE"), "true", StringComparison.OrdinalIgnoreCase);
        return $"{(isSecure ? "https" : "http")}://{authority}";
    }

    private AmazonS3Client Connect(string scheme, string endpoint)
    {
        var region = settings("AWS_REGION") ?? settings("AWS_DEFAULT_REGION") ?? "us-east-1";
        var config = new AmazonS3Config
        {
            MaxErrorRetry = 3,

            // Own checksums go along as MD5; many stores that speak the protocol do not know the newer kinds.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (endpoint.Length > 0)
        {
            config.ServiceURL = endpoint;
            config.ForcePathStyle = true;
            config.AuthenticationRegion = scheme == "gs" ? "auto" : region;
        }
        else
        {
            config.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(region);
        }

        var (key, secret) = scheme == "gs"
            ? (settings("GOOGLE_HMAC_ACCESS_KEY"), settings("GOOGLE_HMAC_SECRET"))
            : (settings("AWS_ACCESS_KEY_ID"), settings("AWS_SECRET_ACCESS_KEY"));
        if (key is { Length: > 0 } && secret is { Length: > 0 })
        {
            var token = scheme == "gs" ? null : settings("AWS_SESSION_TOKEN");
            AWSCredentials credentials = string.IsNullOrEmpty(token)
                ? new BasicAWSCredentials(key, secret)
                : new SessionAWSCredentials(key, secret, token);
            return new AmazonS3Client(credentials, config);
        }

        // The chain asks the machine that Amazon runs for its role, which makes no sense to others.
        return endpoint.Length > 0 ? new AmazonS3Client(new AnonymousAWSCredentials(), config) : new AmazonS3Client(config);
    }

    private async Task<T> GuardAsync<T>(ArtifactUri uri, Func<Place, Task<T>> work, CancellationToken cancellationToken)
    {
        var credentials = uri.Scheme == "gs" ? GoogleCredentials : AwsCredentials;
        try
        {
            return await work(Locate(uri)).ConfigureAwait(false);
        }
        catch (AmazonServiceException error)
        {
            throw StoreFaults.FromStatus(uri, error.StatusCode, $"{error.ErrorCode} {error.Message}".Trim(), credentials);
        }
        catch (AmazonClientException error)
        {
            throw new InferenceException(
                InferenceCode.PermissionDenied, $"'{uri.Text}' may not be used: {error.Message}; set {credentials}", error);
        }
        catch (Exception error) when (StoreFaults.FromTransport(uri, error, cancellationToken) is { } fault)
        {
            throw fault;
        }
    }

    private sealed record Place(AmazonS3Client Client, string Bucket, string Key);

    /// <summary>A small object goes in one request, a larger one in parts that become an object when the last is confirmed.</summary>
    private sealed class Writer(S3Store store, ArtifactUri uri) : ObjectWriter
    {
        private readonly PartBuffer _buffer = new(mostParts: 10_000);
        private readonly List<PartETag> _parts = [];
        private string? _uploadId;
        private bool _isCommitted;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            while (!(bytes = _buffer.Add(bytes)).IsEmpty || _buffer.IsFull)
                await SendAsync(cancellationToken).ConfigureAwait(false);
        }

        public override async Task CommitAsync(CancellationToken cancellationToken)
        {
            if (_uploadId is null)
            {
                await store.GuardAsync(uri, place => PutAsync(place, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            else
            {
                if (_buffer.Length > 0)
                    await SendAsync(cancellationToken).ConfigureAwait(false);
                await store.GuardAsync(uri, place => CompleteAsync(place, cancellationToken), cancellationToken).ConfigureAwait(false);
            }

            _isCommitted = true;
        }

        public override async ValueTask DisposeAsync()
        {
            if (_isCommitted || _uploadId is null)
                return;
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            try
            {
                await store.GuardAsync(
                    uri, place => place.Client.AbortMultipartUploadAsync(place.Bucket, place.Key, _uploadId, limit.Token), limit.Token)
                    .ConfigureAwait(false);
            }
            catch (Exception error) when (error is InferenceException or OperationCanceledException)
            {
                // The parts are not an object; buckets have rules that remove such rests.
            }
        }

        private Task<PutObjectResponse> PutAsync(Place place, CancellationToken cancellationToken) => place.Client.PutObjectAsync(
            new PutObjectRequest
            {
                BucketName = place.Bucket,
                Key = place.Key,
                InputStream = Content(),
                AutoCloseStream = false,
                MD5Digest = Md5(),
                UseChunkEncoding = false,
            },
            cancellationToken);

        private async Task SendAsync(CancellationToken cancellationToken)
        {
            await store.GuardAsync(
                uri,
                async place =>
                {
                    _uploadId ??= (await place.Client.InitiateMultipartUploadAsync(place.Bucket, place.Key, cancellationToken)
                        .ConfigureAwait(false)).UploadId;
                    var number = _parts.Count + 1;
                    var response = await place.Client.UploadPartAsync(
                        new UploadPartRequest
                        {
                            BucketName = place.Bucket,
                            Key = place.Key,
                            UploadId = _uploadId,
                            PartNumber = number,
                            PartSize = _buffer.Length,
                            InputStream = Content(),
                            MD5Digest = Md5(),
                            UseChunkEncoding = false,
                        },
                        cancellationToken).ConfigureAwait(false);
                    _parts.Add(new PartETag(number, response.ETag));
                    return response;
                },
                cancellationToken).ConfigureAwait(false);
            _buffer.Next();
        }

        private Task<CompleteMultipartUploadResponse> CompleteAsync(Place place, CancellationToken cancellationToken) =>
            place.Client.CompleteMultipartUploadAsync(
                new CompleteMultipartUploadRequest { BucketName = place.Bucket, Key = place.Key, UploadId = _uploadId, PartETags = _parts },
                cancellationToken);

        private MemoryStream Content() => new(_buffer.Part.Array!, 0, _buffer.Length, writable: false);

        private string Md5()
        {
#pragma warning disable CA5351 // The protocol's checksum against damage on the way, not against anybody.
            return Convert.ToBase64String(MD5.HashData(_buffer.Part));
#pragma warning restore CA5351
        }
    }
}
