using System.Collections.Immutable;
using System.Globalization;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Finds models in folders of the layout of spec §3.4; loads nothing.</summary>
/// <remarks><b>Threads.</b> Any number of callers; each call reads the disk anew.</remarks>
public sealed class ModelRepository
{
    private const string ConfigFile = "config.pbtxt";
    private const string ConfigsFolder = "configs";

    private readonly RepositoryOptions _options;

    /// <summary>Remembers where to look.</summary>
    public ModelRepository(RepositoryOptions options) => _options = options;

    /// <summary>Lists every model by name; one found twice carries a fault.</summary>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/> when a repository cannot be read.
    /// </exception>
    public IReadOnlyDictionary<string, ModelFolder> Scan()
    {
        var models = new Dictionary<string, ModelFolder>(StringComparer.Ordinal);
        foreach (var path in _options.Folders.Distinct().SelectMany(ListModels))
        {
            var name = Path.GetFileName(path);
            models[name] = models.TryGetValue(name, out var first) ? Duplicate(first, path) : Read(name, path);
        }

        return models;
    }

    /// <summary>Lists the names of every model without looking inside.</summary>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/> when a repository cannot be read.
    /// </exception>
    public IReadOnlyCollection<string> Names() =>
        [.. _options.Folders.SelectMany(ListModels).Select(p => Path.GetFileName(p)!).Distinct(StringComparer.Ordinal)];

    /// <summary>Looks for one model.</summary>
    /// <returns>Null when no repository has it.</returns>
    public ModelFolder? Find(string name)
    {
        ModelFolder? found = null;
        foreach (var folder in _options.Folders.Distinct())
        {
            var path = Path.Combine(Path.GetFullPath(folder), name);
            if (Directory.Exists(path))
                found = found is null ? Read(name, path) : Duplicate(found, path);
        }

        return found;
    }

    private static IEnumerable<string> ListModels(string repository)
    {
        try
        {
            // Names that start with a dot belong to tools (".git").
            return [.. Directory.GetDirectories(Path.GetFullPath(repository))
                .Where(p => !Path.GetFileName(p).StartsWith('.'))
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"model repository '{repository}' cannot be read: {e.Message}", e);
        }
    }

    // Reasons go to clients, who need not know where on this machine repositories lie.
    private static string RepositoryOf(string modelPath) => $"'{Path.GetFileName(Path.GetDirectoryName(modelPath))}'";

    private static ModelFolder Duplicate(ModelFolder first, string second) => first with
    {
        Fault = $"model '{first.Name}' is not unique across all model repositories: {RepositoryOf(first.Path)}, {RepositoryOf(second)}",
        Stamp = $"{first.Stamp}+{second}",
    };

    /// <summary>Reads a model's folder wherever it lies.</summary>
    internal ModelFolder Read(string name, string path)
    {
        try
        {
            var versions = ReadVersions(name, path);
            var shared = SharedStamp(path, versions);
            var stamps = versions.ToImmutableDictionary(v => v.Number, v => FolderStamp.OfFolder(v.Path) + shared);
            var config = FindConfig(path);
            var configStamp = config is null ? "" : FolderStamp.OfFiles([config]);
            return new ModelFolder
            {
                Name = name,
                Path = path,
                ConfigPath = config,
                Versions = versions,
                VersionStamps = stamps,
                Stamp = string.Join(' ', [configStamp, shared, .. versions.Select(v => v.Text + ':' + stamps[v.Number])]),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var fault = $"model '{name}' cannot be read: {e.GetType().Name}";
            return new ModelFolder { Name = name, Path = path, Fault = fault, Stamp = fault };
        }
    }

    private string? FindConfig(string path)
    {
        var named = Path.Combine(path, ConfigsFolder, _options.ConfigName + ".pbtxt");
        if (_options.ConfigName.Length > 0 && File.Exists(named))
            return named;

        var common = Path.Combine(path, ConfigFile);
        return File.Exists(common) ? common : null;
    }

    private static ImmutableArray<ModelVersionFolder> ReadVersions(string name, string path) =>
        [.. Directory.GetDirectories(path)
            .Select(p => TryParseVersion(Path.GetFileName(p)))
            .OfType<long>()
            .Order()
            .Select(number => new ModelVersionFolder(name, path, number))];

    // A leading zero would give two folders the same number.
    private static long? TryParseVersion(string folder) =>
        !folder.StartsWith('0') && long.TryParse(folder, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    private static string SharedStamp(string path, ImmutableArray<ModelVersionFolder> versions)
    {
        var others = Directory.GetDirectories(path)
            .Where(p => Path.GetFileName(p) != ConfigsFolder && versions.All(v => v.Path != p));
        return FolderStamp.OfFiles(Directory.GetFiles(path).Where(f => Path.GetFileName(f) != ConfigFile))
            + string.Concat(others.Order(StringComparer.Ordinal).Select(FolderStamp.OfFolder));
    }
}
