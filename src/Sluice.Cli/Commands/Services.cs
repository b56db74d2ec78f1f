using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>list</c>, <c>create</c> and <c>config</c>.</summary>
internal static class Services
{
    public static CommandSpec List { get; } = new("list", "List the serving services.") { Run = ListAsync };

    public static CommandSpec Create { get; } = new("create", "Create a serving service.")
    {
        Options =
        [
            OptionSpec.One("--name", "Its name. Default: Serving Service"),
            OptionSpec.Many("--tags", "Labels for people."),
            OptionSpec.One("--project", "Its project. Default: DevOps"),
        ],
        Run = CreateAsync,
    };

    public static CommandSpec Config { get; } = new("config", "Change the settings of a service.")
    {
        Options =
        [
            OptionSpec.One("--base-serving-url", "Address under which endpoints are called, such as http://127.0.0.1:8080/serve"),
            OptionSpec.One("--triton-grpc-server", "Server that runs the models of triton endpoints, such as 127.0.0.1:8001"),
            OptionSpec.One("--triton-grpc-compression", "Compress requests to it: true or false."),
            OptionSpec.One("--kafka-metric-server", "Kafka broker for statistics, such as 127.0.0.1:9092"),
            OptionSpec.One("--metric-log-freq", "Share of requests whose statistics are kept, 0 to 1.") with { Check = ArgumentParser.Number },
            OptionSpec.Many("--unset", "Settings to take back: base-serving-url, triton-grpc-server, kafka-metric-server, metric-log-freq, ..."),
        ],
        Run = ConfigAsync,
    };

    private static async Task<int> ListAsync(CommandContext context)
    {
        var found = (await context.Control.CallAsync<ListServicesResponse>(
            "Services/ListServices", new ListServicesRequest(), context.CancellationToken).ConfigureAwait(false)).Services;
        context.Output.Line("Currently running Serving Services:\n");
        if (found.Count == 0)
            context.Output.Line("No running services found");
        foreach (var service in found)
            context.Output.Line(
                $"{{'name': {PythonText.Repr(service.Name)}, 'tags': {PythonText.Repr(service.Tags)}, 'id': {PythonText.Repr(service.Id)}, " +
                $"'project': {PythonText.Repr(service.Project)}}}");
        context.Output.Json(json =>
        {
            json.WriteStartArray();
            foreach (var service in found)
                json.Write(service);
            json.WriteEndArray();
        });
        return 0;
    }

    private static async Task<int> CreateAsync(CommandContext context)
    {
        var request = new CreateServiceRequest
        {
            Name = context.Arguments.One("--name") ?? "",
            Project = context.Arguments.One("--project") ?? "",
        };
        request.Tags.AddRange(context.Arguments.Many("--tags"));
        var service = await context.Control.CallAsync<Service>("Services/CreateService", request, context.CancellationToken).ConfigureAwait(false);
        context.Output.Line($"New Serving Service created: id={service.Id}");
        context.Output.Json(json => json.Write(service));
        return 0;
    }

    private static async Task<int> ConfigAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        if (!ServiceChoice.Confirm(context, service))
            return 0;
        context.Output.Line($"Configure serving service id={service.Id}");
        var parameters = new ServiceParameters();
        var arguments = context.Arguments;
        if (arguments.One("--base-serving-url") is { } url)
        {
            parameters.ServingBaseUrl = url;
            context.Output.Line($"Configuring serving service [id={service.Id}] base_serving_url={url}");
        }

        if (arguments.One("--triton-grpc-server") is { } triton)
        {
            parameters.TritonGrpcServer = triton;
            context.Output.Line($"Configuring serving service [id={service.Id}] triton_grpc_server={triton}");
        }

        if (arguments.One("--triton-grpc-compression") is { } compression)
            parameters.TritonGrpcCompression = compression.ToLowerInvariant() is "true" or "1" or "yes" or "on";
        if (arguments.One("--kafka-metric-server") is { } kafka)
            parameters.KafkaServiceServer = kafka;
        if (arguments.Number("--metric-log-freq") is { } frequency)
            parameters.MetricLoggingFreq = frequency;
        var request = new UpdateParametersRequest { ServiceId = service.Id, Parameters = parameters };
        request.Unset.AddRange(arguments.Many("--unset").Select(FieldName));
        var edited = parameters.CalculateSize() == 0 && request.Unset.Count == 0
            ? new EditResponse { Revision = service.Revision }
            : await context.Control.CallAsync<EditResponse>("Services/UpdateParameters", request, context.CancellationToken).ConfigureAwait(false);
        Edits.Report(context, edited, service.Id);
        return 0;
    }

    private static string FieldName(string option) => option.TrimStart('-').Replace('_', '-') switch
    {
        "base-serving-url" or "serving-base-url" => "serving_base_url",
        "triton-grpc-server" => "triton_grpc_server",
        "triton-grpc-compression" => "triton_grpc_compression",
        "kafka-metric-server" or "kafka-service-server" => "kafka_service_server",
        "metric-log-freq" or "metric-logging-freq" => "metric_logging_freq",
        var other => throw new CommandException($"there is no setting '{other}' to take back"),
    };
}
