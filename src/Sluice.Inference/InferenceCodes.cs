namespace Sluice.Inference;

/// <summary>The one table from status codes to HTTP and to the names that clients print.</summary>
/// <remarks>Spec §2.2 fixes the rows that stock HTTP clients match; the others follow gRPC's own mapping.</remarks>
public static class InferenceCodes
{
    private static readonly (int Http, string Name)[] Table =
    [
        (200, "OK"),
        (400, "CANCELLED"),
        (400, "UNKNOWN"),
        (400, "INVALID_ARGUMENT"),
        (504, "DEADLINE_EXCEEDED"),
        (404, "NOT_FOUND"),
        (400, "ALREADY_EXISTS"),
        (403, "PERMISSION_DENIED"),
        (429, "RESOURCE_EXHAUSTED"),
        (400, "FAILED_PRECONDITION"),
        (409, "ABORTED"),
        (400, "OUT_OF_RANGE"),
        (501, "UNIMPLEMENTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (500, "DATA_LOSS"),
        (401, "UNAUTHENTICATED"),
    ];

    /// <summary>Returns the HTTP status of the v2 HTTP protocol for a code.</summary>
    public static int ToHttpStatus(this InferenceCode code) => Row(code).Http;

    /// <summary>Returns gRPC's name of a code, such as <c>INVALID_ARGUMENT</c>.</summary>
    public static string ToName(this InferenceCode code) => Row(code).Name;

    private static (int Http, string Name) Row(InferenceCode code) =>
        (uint)code < (uint)Table.Length ? Table[(int)code] : Table[(int)InferenceCode.Unknown];
}
