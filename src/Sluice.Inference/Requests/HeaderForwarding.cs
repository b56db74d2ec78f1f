using System.Text;
using System.Text.RegularExpressions;

namespace Sluice.Inference;

/// <summary>Copies request headers that match a pattern into a request's parameters, for the model to see (spec §1.4).</summary>
/// <remarks>
/// <para>The pattern may match any part of a header's name and ignores case unless it says <c>(?-i)</c>. It is matched in time
/// linear in the name, whatever the pattern.</para>
/// <para><b>Threads.</b> Any number.</para>
/// </remarks>
public sealed class HeaderForwarding
{
    private readonly Regex _pattern;

    /// <summary>Compiles a pattern.</summary>
    /// <param name="pattern">A regular expression without back references and look-arounds.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public HeaderForwarding(string pattern)
    {
        try
        {
            _pattern = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
        }
        catch (NotSupportedException error)
        {
            throw new ArgumentException(error.Message, nameof(pattern), error);
        }
    }

    /// <summary>Adds the matching headers to a request's parameters; one that is there already gets the header's value.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: a matching name is reserved.</exception>
    public void Apply(InferRequest request, IEnumerable<KeyValuePair<string, string>> headers)
    {
        foreach (var (name, value) in headers)
        {
            // A name with a colon is no header but a part of HTTP/2's request line.
            if (!name.StartsWith(':') && _pattern.IsMatch(name))
                Add(request, name, value);
        }
    }

    private static void Add(InferRequest request, string name, string value)
    {
        if (IsReserved(name))
            throw InferenceException.Invalid($"Header '{name}' is reserved for Triton usage and cannot be forwarded.");
        var key = request.AddText(Encoding.UTF8.GetBytes(name));
        ref var parameter = ref FindOrAdd(request, request.Text(key));
        parameter.Key = key;
        parameter.Kind = ParameterKind.String;
        parameter.Bits = 0;
        parameter.Text = request.AddText(Encoding.UTF8.GetBytes(value));
    }

    private static bool IsReserved(string name) =>
        name is "sequence_id" or "sequence_start" or "sequence_end" or "priority" or "timeout" or "headers" or
            "binary_data_output" ||
        name.StartsWith("triton_", StringComparison.Ordinal);

    private static ref RequestParameter FindOrAdd(InferRequest request, ReadOnlySpan<byte> key)
    {
        foreach (ref var parameter in request.Parameters)
        {
            if (request.Text(parameter.Key).SequenceEqual(key))
                return ref parameter;
        }

        return ref request.AddParameter();
    }
}
