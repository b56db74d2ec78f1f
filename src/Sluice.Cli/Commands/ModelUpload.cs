using System.IO.Compression;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>model upload</c> (spec clearml §1.10).</summary>
internal static class ModelUpload
{
    private static readonly Dictionary<string, string> Extensions = new(StringComparer.Ordinal)
    {
        ["tensorflow"] = ".pb",
        ["tensorflowjs"] = ".json",
        ["tensorflowlite"] = ".tflite",
        ["pytorch"] = ".pt",
        ["torchscript"] = ".pt",
        ["caffe"] = ".caffemodel",
        ["caffe2"] = ".pb",
        ["onnx"] = ".onnx",
        ["keras"] = ".h5",
        ["mknet"] = ".params",
        ["cntk"] = ".dnn",
        ["torch"] = ".pt",
        ["darknet"] = ".weights",
        ["paddlepaddle"] = ".pdparams",
        ["scikitlearn"] = ".pkl",
        ["xgboost"] = "",
        ["lightgbm"] = "",
        ["parquet"] = ".parquet",
        ["megengine"] = ".pkl",
        ["catboost"] = ".cbm",
        ["tensorrt"] = ".plan",
        ["openvino"] = ".xml",
        ["custom"] = "",
    };

    public static CommandSpec Spec { get; } = new("upload", "Enter a model in the registry, with its file or by address.")
    {
        Path = "model upload",
        Options =
        [
            OptionSpec.One("--name", "Name of the model.", isRequired: true),
            OptionSpec.Many("--tags", "What selects it."),
            OptionSpec.One("--project", "Its project; created when it is new.", isRequired: true),
            OptionSpec.One("--framework", $"One of: {string.Join(", ", Extensions.Keys)}. Default: by the file's ending.") with { Check = CheckFramework },
            OptionSpec.Flag("--publish", "Publish it at once."),
            OptionSpec.One("--path", "The file, or a folder to be packed."),
            OptionSpec.One("--url", "Address of a file that stays where it is: s3://, gs://, azure://, http(s)://, file://."),
            OptionSpec.One("--destination", "Where to store the file instead of the server's default."),
        ],
        Run = RunAsync,
    };

    private static string CheckFramework(string value)
    {
        var framework = value == "scikit-learn" ? "scikitlearn" : value;
        return Extensions.ContainsKey(framework)
            ? framework
            : throw new FormatException(
                $"invalid choice: '{value}' (choose from {string.Join(", ", Extensions.Keys.Select(name => $"'{name}'"))})");
    }

    private static async Task<int> RunAsync(CommandContext context)
    {
        var arguments = context.Arguments;
        var (path, url) = (arguments.One("--path"), arguments.One("--url"));
        if (path is null == url is null)
            throw new CommandException(path is null ? "you must provide either --path or --url" : "provide either --path or --url, not both");
        if (path is not null && !Path.Exists(path))
            throw new CommandException($"could not find the model file or folder '{path}'");
        if (!arguments.Has("--id"))
            throw new CommandException("model upload needs the id of the serving service: --id <service id>, as 'list' prints it");
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        var request = new RegisterModelRequest
        {
            Name = arguments.One("--name")!,
            Project = arguments.One("--project")!,
            Framework = arguments.One("--framework") ?? "",
            Publish = arguments.Has("--publish"),
            ServiceId = service.Id,
            Destination = arguments.One("--destination") ?? "",
        };
        request.Tags.AddRange(arguments.Many("--tags"));
        context.Output.Line(
            $"Creating new Model name='{request.Name}' project='{request.Project}' tags={PythonText.Repr(request.Tags)}");
        var model = path is not null
            ? await UploadAsync(context, request, path).ConfigureAwait(false)
            : await RegisterAsync(context, request, url!).ConfigureAwait(false);
        context.Output.Line($"Model created and registered, new Model ID={model.Id}");
        if (model.Published)
            context.Output.Line($"Published Model ID={model.Id}");
        context.Output.Json(json => json.Write(model));
        return 0;
    }

    private static Task<Model> RegisterAsync(CommandContext context, RegisterModelRequest request, string url)
    {
        context.Output.Line($"Registering model file '{url}'");
        request.Uri = url;
        return context.Control.CallAsync<Model>("ModelRegistry/RegisterModel", request, context.CancellationToken);
    }

    private static async Task<Model> UploadAsync(CommandContext context, RegisterModelRequest request, string path)
    {
        var isFolder = Directory.Exists(path);
        request.IsPackage = isFolder;
        request.FileName = FileName(path, isFolder, request.Framework);
        context.Output.Line($"Uploading model file '{path}'");
        var file = isFolder ? PackageZip.Create(path, CompressionLevel.NoCompression) : path;
        try
        {
            request.Sha256 = FileUpload.Sha256(file);
            return await context.Control.UploadAsync<UploadModelRequest, Model>(
                "ModelRegistry/UploadModel",
                FileUpload.ReadAsync(
                    file, new UploadModelRequest { Header = request }, data => new UploadModelRequest { Data = data }, context.Output,
                    context.CancellationToken),
                context.CancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (isFolder)
                File.Delete(file);
        }
    }

    /// <summary>A folder's package ends in <c>.zip</c>; a file without an ending gets its framework's.</summary>
    private static string FileName(string path, bool isFolder, string framework)
    {
        var name = Path.GetFileName(Path.GetFullPath(path).TrimEnd('/'));
        if (isFolder)
            return name + ".zip";
        return Path.HasExtension(name) ? name : name + Extensions.GetValueOrDefault(framework, "");
    }
}
