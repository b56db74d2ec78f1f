using System.Text.Json.Serialization;

namespace Sluice.Web;

/// <summary>What the page is told of the server before anybody has said who they are.</summary>
/// <param name="Version">The server's version.</param>
/// <param name="AsksForCredentials">Callers are asked who they are.</param>
/// <param name="ServePath">Path under which endpoints are called, such as <c>/serve</c>.</param>
/// <param name="HasModels">The v2 protocol is served on this port, so that models can be described and tried.</param>
public sealed record PageAbout(string Version, bool AsksForCredentials, string ServePath, bool HasModels);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(PageAbout))]
internal sealed partial class PageJson : JsonSerializerContext;
