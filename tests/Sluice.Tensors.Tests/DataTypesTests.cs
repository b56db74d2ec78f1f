using System.Text;

namespace Sluice.Tensors.Tests;

public sealed class DataTypesTests
{
    [Theory]
    [InlineData(DataType.Bool, 1, 1, "BOOL", "TYPE_BOOL")]
    [InlineData(DataType.UInt8, 2, 1, "UINT8", "TYPE_UINT8")]
    [InlineData(DataType.UInt16, 3, 2, "UINT16", "TYPE_UINT16")]
    [InlineData(DataType.UInt32, 4, 4, "UINT32", "TYPE_UINT32")]
    [InlineData(DataType.UInt64, 5, 8, "UINT64", "TYPE_UINT64")]
    [InlineData(DataType.Int8, 6, 1, "INT8", "TYPE_INT8")]
    [InlineData(DataType.Int16, 7, 2, "INT16", "TYPE_INT16")]
    [InlineData(DataType.Int32, 8, 4, "INT32", "TYPE_INT32")]
    [InlineData(DataType.Int64, 9, 8, "INT64", "TYPE_INT64")]
    [InlineData(DataType.Fp16, 10, 2, "FP16", "TYPE_FP16")]
    [InlineData(DataType.Fp32, 11, 4, "FP32", "TYPE_FP32")]
    [InlineData(DataType.Fp64, 12, 8, "FP64", "TYPE_FP64")]
    [InlineData(DataType.Bytes, 13, 0, "BYTES", "TYPE_STRING")]
    [InlineData(DataType.Bf16, 14, 2, "BF16", "TYPE_BF16")]
    public void Type_EachOne_HasItsNumberSizeAndNames(DataType type, int number, int size, string wire, string config)
    {
        Assert.Equal(number, (int)type);
        Assert.Equal(size, type.ElementSize());
        Assert.Equal(wire, type.WireName());
        Assert.Equal(wire, Encoding.ASCII.GetString(type.WireNameUtf8()));
        Assert.Equal(config, type.ConfigName());
        Assert.True(DataTypes.TryParse(wire, out var fromText));
        Assert.True(DataTypes.TryParse(type.WireNameUtf8(), out var fromUtf8));
        Assert.Equal(type, fromText);
        Assert.Equal(type, fromUtf8);
    }

    [Theory]
    [InlineData("")]
    [InlineData("INVALID")]
    [InlineData("fp32")]
    [InlineData("FP32 ")]
    [InlineData("STRING")]
    public void TryParse_NoTypeOfThatName_SaysNo(string name)
    {
        Assert.False(DataTypes.TryParse(name, out var type));
        Assert.Equal(DataType.Invalid, type);
        Assert.False(DataTypes.TryParse(Encoding.UTF8.GetBytes(name), out _));
    }

    [Fact]
    public void ElementSize_NumberOutsideTheEnum_IsZero()
    {
        Assert.Equal(0, ((DataType)200).ElementSize());
        Assert.Equal("INVALID", ((DataType)200).WireName());
    }
}
