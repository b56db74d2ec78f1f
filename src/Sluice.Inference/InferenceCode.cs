namespace Sluice.Inference;

/// <summary>Says how a request ended; the numbers are gRPC's status codes.</summary>
/// <remarks>The one table to HTTP is <see cref="InferenceCodes"/>.</remarks>
public enum InferenceCode
{
    /// <summary>Success.</summary>
    Ok = 0,

    /// <summary>The caller cancelled.</summary>
    Cancelled = 1,

    /// <summary>An error without a better class.</summary>
    Unknown = 2,

    /// <summary>The request itself is wrong; sending it again cannot help.</summary>
    InvalidArgument = 3,

    /// <summary>The caller's deadline passed before the work was done.</summary>
    DeadlineExceeded = 4,

    /// <summary>No such model, version, method or region.</summary>
    NotFound = 5,

    /// <summary>The name is taken.</summary>
    AlreadyExists = 6,

    /// <summary>The caller is known and may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A bound of the server was reached; retry later.</summary>
    ResourceExhausted = 8,

    /// <summary>The server's state does not allow the call.</summary>
    FailedPrecondition = 9,

    /// <summary>Lost a race; the caller may retry the whole operation.</summary>
    Aborted = 10,

    /// <summary>A position past the valid range.</summary>
    OutOfRange = 11,

    /// <summary>The method or the option is not supported.</summary>
    Unimplemented = 12,

    /// <summary>A fault of the server or of the model.</summary>
    Internal = 13,

    /// <summary>The server or the model cannot serve now; retry later.</summary>
    Unavailable = 14,

    /// <summary>Stored data is lost or corrupt.</summary>
    DataLoss = 15,

    /// <summary>The caller did not say who they are.</summary>
    Unauthenticated = 16,
}
