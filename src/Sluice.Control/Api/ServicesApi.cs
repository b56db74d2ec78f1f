using Sluice.Control.Records;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;
using StateMessage = Sluice.Protocol.Control.V1.DesiredState;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.Services</c>.</summary>
internal sealed class ServicesApi(ControlEdits edits)
{
    private const string Name = "sluice.control.v1.Services";
    private const int MostAuditEntries = 1000;

    public IEnumerable<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListServices", ListServicesRequest.Parser, ListAsync),
        CallerMethod.Unary(Name, "CreateService", CreateServiceRequest.Parser, CreateAsync),
        CallerMethod.Unary(Name, "GetService", GetServiceRequest.Parser, GetAsync),
        CallerMethod.Unary(Name, "DeleteService", DeleteServiceRequest.Parser, DeleteAsync),
        CallerMethod.Unary(Name, "GetDesiredState", GetDesiredStateRequest.Parser, GetStateAsync),
        CallerMethod.Unary(Name, "ApplyDesiredState", ApplyDesiredStateRequest.Parser, new StateApplication(edits).ApplyAsync),
        CallerMethod.Unary(Name, "GetParameters", GetParametersRequest.Parser, GetParametersAsync),
        CallerMethod.Unary(Name, "UpdateParameters", UpdateParametersRequest.Parser, UpdateParametersAsync),
        CallerMethod.Unary(Name, "ListAudit", ListAuditRequest.Parser, ListAuditAsync),
        new CallerStreamingMethod<WatchRequest, ChangeEvent>(Name, "Watch", WatchRequest.Parser, WatchAsync),
    ];

    private ControlPlane Plane => edits.Plane;

    private ValueTask<ListServicesResponse> ListAsync(ListServicesRequest request, CallContext context)
    {
        var services = Plane.Snapshot.Services.Values
            .Where(state => request.Name.Length == 0 || state.Service.Name == request.Name)
            .Where(state => request.Project.Length == 0 || state.Service.Project == request.Project)
            .OrderBy(state => state.Service.CreatedAt).ThenBy(state => state.Service.Id, StringComparer.Ordinal);
        return ValueTask.FromResult(new ListServicesResponse { Services = { services.Select(ToMessage) } });
    }

    private async ValueTask<Service> CreateAsync(CreateServiceRequest request, CallContext context)
    {
        var state = await Plane.CreateServiceAsync(
            request.Name, request.Project, ValueList.From(request.Tags), context.Actor, context.CancellationToken).ConfigureAwait(false);
        return ToMessage(state);
    }

    private async ValueTask<Service> GetAsync(GetServiceRequest request, CallContext context) =>
        ToMessage(await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false));

    private async ValueTask<DeleteServiceResponse> DeleteAsync(DeleteServiceRequest request, CallContext context)
    {
        await Plane.DeleteServiceAsync(request.ServiceId, context.Actor, context.CancellationToken).ConfigureAwait(false);
        return new DeleteServiceResponse();
    }

    private async ValueTask<StateMessage> GetStateAsync(GetDesiredStateRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return state.ToMessage(IsServed(state));
    }

    private async ValueTask<ServiceParameters> GetParametersAsync(GetParametersRequest request, CallContext context) =>
        (await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false)).Parameters.ToMessage();

    private async ValueTask<EditResponse> UpdateParametersAsync(UpdateParametersRequest request, CallContext context)
    {
        var target = new EditTarget(request.ServiceId, "parameters.update", "parameters")
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
        };
        return await edits.EditAsync(
            target,
            (state, _) =>
            {
                var parameters = request.Unset.Aggregate(state.Parameters, Unset).With(request.Parameters);
                return state with { Parameters = RecordRules.Check(parameters) };
            },
            context).ConfigureAwait(false);
    }

    private async ValueTask<ListAuditResponse> ListAuditAsync(ListAuditRequest request, CallContext context)
    {
        var limit = request.PageSize <= 0 ? 100 : Math.Min(request.PageSize, MostAuditEntries);
        var service = request.ServiceId.Length == 0
            ? null
            : request.ServiceId == ControlEdits.Served
                ? (await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false)).Service.Id
                : request.ServiceId;
        var entries = await Plane.ListAuditAsync(service, request.BeforeId, limit, context.CancellationToken).ConfigureAwait(false);
        return new ListAuditResponse { Entries = { entries.Select(StateMessages.ToMessage) } };
    }

    private async ValueTask WatchAsync(WatchRequest request, Func<ChangeEvent, ValueTask> send, CallContext context)
    {
        var id = request.ServiceId;
        if (id.Length > 0)
            id = (await edits.ReadAsync(id, context.CancellationToken).ConfigureAwait(false)).Service.Id;
        var before = new ControlSnapshot { RegistryRevision = -1 };
        var now = Plane.Snapshot;
        while (true)
        {
            foreach (var change in Changes(before, now, id))
                await send(change).ConfigureAwait(false);
            before = now;
            now = await Plane.WaitForChangeAsync(before.Sequence, context.CancellationToken).ConfigureAwait(false);
        }
    }

    private static IEnumerable<ChangeEvent> Changes(ControlSnapshot before, ControlSnapshot now, string serviceId)
    {
        foreach (var (id, state) in now.Services)
        {
            var isKnown = before.Services.TryGetValue(id, out var known) && known.Revision == state.Revision;
            if (!isKnown && serviceId is "" || (!isKnown && serviceId == id))
                yield return new ChangeEvent { Kind = "service", ServiceId = id, Revision = state.Revision };
        }

        foreach (var id in before.Services.Keys.Where(id => !now.Services.ContainsKey(id) && (serviceId.Length == 0 || serviceId == id)))
            yield return new ChangeEvent { Kind = "deleted", ServiceId = id };
        if (serviceId.Length == 0 && before.RegistryRevision != now.RegistryRevision)
            yield return new ChangeEvent { Kind = "registry", Revision = now.RegistryRevision };
    }

    private static ServiceParametersSpec Unset(ServiceParametersSpec parameters, string name) => name switch
    {
        "serving_base_url" => parameters with { ServingBaseUrl = null },
        "triton_grpc_server" => parameters with { TritonGrpcServer = null },
        "triton_grpc_compression" => parameters with { TritonGrpcCompression = null },
        "kafka_service_server" => parameters with { KafkaServiceServer = null },
        "metric_logging_freq" => parameters with { MetricLoggingFreq = null },
        _ => throw InferenceException.Invalid(
            $"there is no parameter '{name}'; there are serving_base_url, triton_grpc_server, triton_grpc_compression, " +
            "kafka_service_server and metric_logging_freq"),
    };

    private bool IsServed(DesiredState state) => Plane.Snapshot.ServedServiceId == state.Service.Id;

    private Service ToMessage(DesiredState state) => state.Service.ToMessage(state.Revision, IsServed(state));
}
