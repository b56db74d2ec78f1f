namespace Sluice.Inference.Tests;

public sealed class InferenceCodesTests
{
    /// <summary>Spec §2.2 for what stock clients match; gRPC's own mapping for the rest.</summary>
    [Theory]
    [InlineData(0, "OK", 200)]
    [InlineData(1, "CANCELLED", 400)]
    [InlineData(2, "UNKNOWN", 400)]
    [InlineData(3, "INVALID_ARGUMENT", 400)]
    [InlineData(4, "DEADLINE_EXCEEDED", 504)]
    [InlineData(5, "NOT_FOUND", 404)]
    [InlineData(6, "ALREADY_EXISTS", 400)]
    [InlineData(7, "PERMISSION_DENIED", 403)]
    [InlineData(8, "RESOURCE_EXHAUSTED", 429)]
    [InlineData(9, "FAILED_PRECONDITION", 400)]
    [InlineData(10, "ABORTED", 409)]
    [InlineData(11, "OUT_OF_RANGE", 400)]
    [InlineData(12, "UNIMPLEMENTED", 501)]
    [InlineData(13, "INTERNAL", 500)]
    [InlineData(14, "UNAVAILABLE", 503)]
    [InlineData(15, "DATA_LOSS", 500)]
    [InlineData(16, "UNAUTHENTICATED", 401)]
    [InlineData(17, "UNKNOWN", 400)]
    [InlineData(-1, "UNKNOWN", 400)]
    public void Table_EachCode_HasGrpcsNumberAndNameAndItsHttpStatus(int number, string name, int http)
    {
        var code = (InferenceCode)number;
        Assert.Equal((name, http), (code.ToName(), code.ToHttpStatus()));
        Assert.Equal(number is >= 0 and <= 16, Enum.IsDefined(code));
    }
}
