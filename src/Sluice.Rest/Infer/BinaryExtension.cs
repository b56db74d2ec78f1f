using System.Buffers;
using System.Globalization;
using Sluice.Inference;

namespace Sluice.Rest.Infer;

/// <summary>The binary tensor data extension: JSON first, then the tensors' bytes in the order of their declarations.</summary>
internal static class BinaryExtension
{
    /// <summary>Length of the JSON part, uncompressed; in requests 0 = the whole body is the only input.</summary>
    public const string HeaderName = "Inference-Header-Content-Length";

    private const string LowerName = "inference-header-content-length";

    /// <summary>Reads the header.</summary>
    /// <returns>The JSON part's length; -1 = the whole body is JSON.</returns>
    public static int ReadHeader(Transport.IRestExchange exchange)
    {
        var text = exchange.RequestHeader(LowerName);
        if (text is null)
            return -1;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? length
            : throw InferenceException.Invalid($"Unable to parse {HeaderName}, got: '{text}'");
    }

    /// <summary>Gives the bytes after the JSON part to the inputs that declare a size.</summary>
    public static void Assign(ReadOnlySequence<byte> rest, InferRequest request)
    {
        foreach (ref var input in request.Inputs)
        {
            if (input.BinaryByteSize < 0)
                continue;
            if (rest.Length < input.BinaryByteSize)
                throw InferenceException.Invalid(
                    $"unexpected size for input '{request.TextString(input.Name)}', expecting {input.BinaryByteSize} bytes for " +
                    $"model '{request.TextString(request.ModelName)}'");
            input.Data = rest.Slice(0, input.BinaryByteSize);
            input.HasData = true;
            rest = rest.Slice(input.BinaryByteSize);
        }

        if (!rest.IsEmpty)
            throw InferenceException.Invalid(
                $"unexpected additional input data for model '{request.TextString(request.ModelName)}'");
    }
}
