using System.Globalization;
using Sluice.Inference;

namespace Sluice.Server.Supervision;

/// <summary>Models that were at work when the server crashed, again and again: the next server does not load them.</summary>
/// <remarks>A model is free again when its file is newer than the crash, or when the operator starts the server anew.</remarks>
public sealed class Quarantine
{
    /// <summary>The variable by which the supervisor tells its server: <c>SECONDS NAME</c>, a line for each model.</summary>
    public const string Variable = "SLUICE_QUARANTINED_MODELS";

    private readonly Dictionary<string, DateTimeOffset> _models = new(StringComparer.Ordinal);

    /// <summary>Reads what the supervisor has said.</summary>
    public static Quarantine Parse(string? text)
    {
        var quarantine = new Quarantine();
        foreach (var line in (text ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0 && long.TryParse(line[..space], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
                quarantine._models[line[(space + 1)..]] = DateTimeOffset.FromUnixTimeSeconds(seconds);
        }

        return quarantine;
    }

    /// <summary>Puts a model in.</summary>
    public void Add(string model, DateTimeOffset crashedAt) => _models[model] = crashedAt;

    /// <summary>Refuses a model that is in quarantine.</summary>
    /// <exception cref="InferenceException">It is.</exception>
    public void Check(ModelSettings settings)
    {
        if (!_models.TryGetValue(settings.Name, out var crashedAt) || WrittenAt(settings.ModelPath) > crashedAt)
            return;
        throw new InferenceException(
            InferenceCode.Unavailable,
            $"model '{settings.Name}' was at work when the server crashed, more than once, last at {crashedAt:u}; replace its file, or start the server anew to try it again");
    }

    /// <summary>What <see cref="Parse"/> reads.</summary>
    public override string ToString() =>
        string.Join('\n', _models.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value.ToUnixTimeSeconds()} {pair.Key}")));

    /// <summary>Endpoints' models are links, made anew at each load, to files that are not.</summary>
    private static DateTimeOffset WrittenAt(string path)
    {
        FileSystemInfo file = new FileInfo(path);
        return (file.ResolveLinkTarget(returnFinalTarget: true) ?? file).LastWriteTimeUtc;
    }
}
