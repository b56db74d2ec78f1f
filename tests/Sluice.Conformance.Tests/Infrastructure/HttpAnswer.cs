using System.Text;
using System.Text.Json;

namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>What came back over HTTP.</summary>
public sealed record HttpAnswer(int Status, byte[] Body, IReadOnlyDictionary<string, string> Headers)
{
    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>The text of the field <c>error</c>; empty when the body is none of the protocol's errors.</summary>
    public string Error => Text.StartsWith("{\"error\":", StringComparison.Ordinal) ? Json.GetProperty("error").GetString()! : "";

    public JsonElement Json => JsonDocument.Parse(Body).RootElement;
}
