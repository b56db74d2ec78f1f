using Google.Protobuf.Collections;
using Sluice.Control.Records;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Control.Reconciler;

/// <summary>Makes the configuration and the folder of the model behind a <c>triton</c> endpoint (spec clearml §3.5).</summary>
internal static class EndpointModel
{
    /// <summary>The engine that forwards to another server.</summary>
    public const string RemoteBackend = "remote";

    private const int RemoteCallCount = 32;

    private static readonly (string Start, string Backend, string FileName)[] Frameworks =
    [
        ("onnx", "onnxruntime", "model.onnx"),
        ("tensorrt", "tensorrt", "model.plan"),
        ("pytorch", "pytorch", "model.pt"),
        ("torch", "pytorch", "model.pt"),
        ("caffe", "pytorch", "model.pt"),
        ("openvino", "openvino", "model.xml"),
    ];

    private static readonly Dictionary<string, string> BackendsByEnding = new(StringComparer.OrdinalIgnoreCase)
    {
        [".onnx"] = "onnxruntime",
        [".plan"] = "tensorrt",
        [".engine"] = "tensorrt",
        [".pt"] = "pytorch",
        [".pth"] = "pytorch",
    };

    /// <summary>Name in the model table: <c>base_version</c>, as the original's model repository has it.</summary>
    public static string NameOf(string key) => key.Replace('/', '_');

    /// <summary>Makes the configuration: what is auxiliary first, then the declared tensors, then the engine.</summary>
    /// <param name="target">The endpoint.</param>
    /// <param name="path">The model's file or folder here; null for another server's model.</param>
    /// <param name="name">The model's name.</param>
    public static ModelConfig Configure(EndpointTarget target, string? path, string name)
    {
        var spec = target.Spec;
        if (target.RemoteServer is { } server)
            return ConfigureRemote(target, server, name);
        if (spec.EngineType == EngineNames.LightGbm)
            return new ModelConfig { Name = name, Backend = EngineNames.LightGbm };
        var config = AuxiliaryConfig.ToModelConfig(spec.AuxiliaryCfg, spec.Key);
        config.Name = name;
        for (var i = 0; i < Count(spec.InputSize, spec.InputType, spec.InputName); i++)
            DeclareInput(At(config.Input, i), spec, i);
        for (var i = 0; i < Count(spec.OutputSize, spec.OutputType, spec.OutputName); i++)
            DeclareOutput(At(config.Output, i), spec, i);
        if (config.Backend.Length == 0 && config.Platform.Length == 0)
            config.Backend = BackendOf(target, path!) ?? throw InferenceException.Invalid(
                $"endpoint '{spec.Key}': cannot tell which engine runs a model of framework '{target.Framework}' in a file " +
                $"'{Path.GetFileName(path)}'; say so by --aux-config backend=\\\"onnxruntime\\\"");
        return config;
    }

    /// <summary>Lays the model's file out as a model repository does, by links.</summary>
    /// <param name="root">An empty folder.</param>
    /// <param name="name">The model's name.</param>
    /// <param name="path">The model's file or folder; null = the engine needs none.</param>
    /// <param name="config">Gets the name of the file where the engine's usual one does not fit.</param>
    public static void Lay(string root, string name, string? path, ModelConfig config)
    {
        var version = Directory.CreateDirectory(Path.Combine(root, name, "1")).FullName;
        if (path is null)
            return;
        var fileName = config.DefaultModelFilename.Length > 0 ? config.DefaultModelFilename : FileNameOf(config);
        if (!Directory.Exists(path))
        {
            File.CreateSymbolicLink(Path.Combine(version, fileName ?? Path.GetFileName(path)), path);
            return;
        }

        foreach (var entry in Directory.EnumerateFileSystemEntries(path))
            Link(Path.Combine(version, Path.GetFileName(entry)), entry);
        if (fileName is null || Path.Exists(Path.Combine(version, fileName)))
            return;
        var candidates = Directory.GetFiles(path, "*" + Path.GetExtension(fileName));
        if (candidates.Length == 1)
            File.CreateSymbolicLink(Path.Combine(version, fileName), candidates[0]);
    }

    private static void Link(string link, string target)
    {
        if (Directory.Exists(target))
            Directory.CreateSymbolicLink(link, target);
        else
            File.CreateSymbolicLink(link, target);
    }

    private static ModelConfig ConfigureRemote(EndpointTarget target, string server, string name)
    {
        var config = new ModelConfig { Name = name, Backend = RemoteBackend };
        config.Parameters["address"] = new ModelParameter { StringValue = server };
        config.Parameters["model"] = new ModelParameter { StringValue = name };
        // The calls of one instance come one after the other; the other server has threads of its own.
        config.InstanceGroup.Add(new ModelInstanceGroup { Kind = ModelInstanceGroup.Types.Kind.Cpu, Count = RemoteCallCount });
        config.Parameters["compression"] = new ModelParameter { StringValue = target.CompressesRemote ? "true" : "false" };
        return config;
    }

    private static string? BackendOf(EndpointTarget target, string path)
    {
        foreach (var (start, backend, _) in Frameworks)
        {
            if (target.Framework.StartsWith(start, StringComparison.OrdinalIgnoreCase))
                return backend;
        }

        var file = Directory.Exists(path)
            ? Directory.EnumerateFiles(path).FirstOrDefault(entry => BackendsByEnding.ContainsKey(Path.GetExtension(entry)))
            : path;
        return BackendsByEnding.GetValueOrDefault(Path.GetExtension(file) ?? "");
    }

    private static string? FileNameOf(ModelConfig config)
    {
        foreach (var (start, backend, fileName) in Frameworks)
        {
            if (config.Backend == backend || (config.Backend.Length == 0 && config.Platform.StartsWith(start, StringComparison.Ordinal)))
                return fileName;
        }

        return null;
    }

    private static int Count(ValueList<ValueList<long>> sizes, ValueList<string> types, ValueList<string> names) =>
        Math.Max(sizes.Count, Math.Max(types.Count, names.Count));

    private static T At<T>(RepeatedField<T> list, int index)
        where T : new()
    {
        while (list.Count <= index)
            list.Add(new T());
        return list[index];
    }

    private static void DeclareInput(ModelInput input, EndpointSpec spec, int index)
    {
        if (index < spec.InputName.Count)
            input.Name = spec.InputName[index];
        if (index < spec.InputType.Count)
            input.DataType = TypeOf(spec.InputType[index], spec, input.Name);
        if (index >= spec.InputSize.Count)
            return;
        input.Dims.Clear();
        input.Dims.AddRange(spec.InputSize[index]);
    }

    private static void DeclareOutput(ModelOutput output, EndpointSpec spec, int index)
    {
        if (index < spec.OutputName.Count)
            output.Name = spec.OutputName[index];
        if (index < spec.OutputType.Count)
            output.DataType = TypeOf(spec.OutputType[index], spec, output.Name);
        if (index >= spec.OutputSize.Count)
            return;
        output.Dims.Clear();
        output.Dims.AddRange(spec.OutputSize[index]);
    }

    private static DataType TypeOf(string numpy, EndpointSpec spec, string tensor) => NumpyTypes.TryParse(numpy, out var type)
        ? type
        : throw InferenceException.Invalid($"endpoint '{spec.Key}': tensor '{tensor}' has type '{numpy}', which is no numpy type that is served");
}
