using Google.Protobuf;
using Google.Protobuf.Reflection;
using Sluice.Inference;
using Sluice.Protocol.Reflection.V1;
using Sluice.Rpc.Calls;

namespace Sluice.Rpc.Reflection;

/// <summary>The standard reflection service in its two versions, whose messages are the same on the wire.</summary>
public sealed class ReflectionService
{
    private const string V1 = "grpc.reflection.v1.ServerReflection";
    private const string V1Alpha = "grpc.reflection.v1alpha.ServerReflection";

    private readonly Dictionary<string, FileDescriptor> _filesByName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _filesBySymbol = new(StringComparer.Ordinal);
    private readonly string[] _services;

    /// <summary>Creates the service.</summary>
    /// <param name="files">Descriptors of all contracts that are served.</param>
    public ReflectionService(IEnumerable<FileDescriptor> files)
    {
        foreach (var file in files)
            AddFile(file);
        _services = [.. _filesByName.Values.SelectMany(file => file.Services).Select(service => service.FullName).Order()];
    }

    /// <summary>The methods of both versions.</summary>
    public IEnumerable<RpcMethod> Methods => new[] { V1, V1Alpha }.Select(
        service => new DuplexMethod<ServerReflectionRequest, ServerReflectionResponse>(
            service, "ServerReflectionInfo", ServerReflectionRequest.Parser, ServeAsync));

    private async ValueTask ServeAsync(
        IAsyncEnumerable<ServerReflectionRequest> requests, ResponseSender<ServerReflectionResponse> responses,
        CancellationToken cancellationToken)
    {
        await foreach (var request in requests.ConfigureAwait(false))
            await responses.SendAsync(Answer(request)).ConfigureAwait(false);
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse();
                response.ListServicesResponse.Service.AddRange(_services.Select(name => new ServiceResponse { Name = name }));
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                SetFile(response, _filesByName, request.FileByFilename);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                SetFile(response, _filesBySymbol, request.FileContainingSymbol);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType
                when _filesBySymbol.ContainsKey(request.AllExtensionNumbersOfType):
                // The contracts are proto3 and extend nothing.
                response.AllExtensionNumbersResponse = new ExtensionNumberResponse
                {
                    BaseTypeName = request.AllExtensionNumbersOfType,
                };
                break;
            default:
                SetError(response, InferenceCode.NotFound, "no such extension or type");
                break;
        }

        return response;
    }

    private static void SetFile(
        ServerReflectionResponse response, Dictionary<string, FileDescriptor> files, string key)
    {
        if (!files.TryGetValue(key, out var file))
        {
            SetError(response, InferenceCode.NotFound, $"'{key}' is not known to this server");
            return;
        }

        var closure = new List<ByteString>();
        AddClosure(file, [], closure);
        response.FileDescriptorResponse = new FileDescriptorResponse();
        response.FileDescriptorResponse.FileDescriptorProto.AddRange(closure);
    }

    private static void AddClosure(FileDescriptor file, HashSet<string> seen, List<ByteString> closure)
    {
        if (!seen.Add(file.Name))
            return;
        closure.Add(file.SerializedData);
        foreach (var dependency in file.Dependencies)
            AddClosure(dependency, seen, closure);
    }

    private static void SetError(ServerReflectionResponse response, InferenceCode code, string message) =>
        response.ErrorResponse = new ErrorResponse { ErrorCode = (int)code, ErrorMessage = message };

    private void AddFile(FileDescriptor file)
    {
        if (!_filesByName.TryAdd(file.Name, file))
            return;
        foreach (var dependency in file.Dependencies)
            AddFile(dependency);
        foreach (var message in file.MessageTypes)
            AddMessage(message, file);
        foreach (var type in file.EnumTypes)
            _filesBySymbol[type.FullName] = file;
        foreach (var service in file.Services)
        {
            _filesBySymbol[service.FullName] = file;
            foreach (var method in service.Methods)
                _filesBySymbol[method.FullName] = file;
        }
    }

    private void AddMessage(MessageDescriptor message, FileDescriptor file)
    {
        _filesBySymbol[message.FullName] = file;
        foreach (var field in message.Fields.InDeclarationOrder())
            _filesBySymbol[field.FullName] = file;
        foreach (var nested in message.NestedTypes)
            AddMessage(nested, file);
        foreach (var type in message.EnumTypes)
            _filesBySymbol[type.FullName] = file;
    }
}
