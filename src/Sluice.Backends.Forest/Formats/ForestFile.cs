using Sluice.Backends.Forest.Formats.CatBoost;
using Sluice.Backends.Forest.Formats.Documents;
using Sluice.Backends.Forest.Formats.Exported;
using Sluice.Backends.Forest.Formats.LightGbm;
using Sluice.Backends.Forest.Formats.Onnx;
using Sluice.Backends.Forest.Formats.Xgboost;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats;

/// <summary>Reads a model file whatever library wrote it; the content tells, never the name.</summary>
internal static class ForestFile
{
    /// <summary>Largest file that is read at all.</summary>
    public const long MaxBytes = 1L << 30;

    /// <summary>Reads a file.</summary>
    /// <exception cref="ForestFormatException">It cannot be read.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static TreeEnsemble Read(string path) => Read(ReadBytes(path));

    /// <summary>Reads a file's bytes.</summary>
    /// <exception cref="ForestFormatException">It is too large.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static byte[] ReadBytes(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > MaxBytes)
            throw new ForestFormatException($"the file has {length} bytes; the limit is {MaxBytes}");
        return File.ReadAllBytes(path);
    }

    /// <summary>Reads a file's contents.</summary>
    /// <exception cref="ForestFormatException">They cannot be read.</exception>
    public static TreeEnsemble Read(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty)
            throw new ForestFormatException("the file is empty");
        if (file.StartsWith("tree\n"u8) || file.StartsWith("tree\r\n"u8))
            return LightGbmText.Read(file);
        if (ExportedForest.IsExported(file))
            return new ExportedForest(file).Read();
        if (IsPickle(file))
            throw new ForestFormatException("the file is a pickle; it is exported in a Python process where the server has one");
        if (OnnxForest.IsOnnx(file))
            return OnnxForest.Read(file);
        if (file[0] != '{')
            return ReadLegacy(file);

        // Behind the brace JSON goes on with a name or a blank, UBJSON with the type of a length.
        var next = file.Length > 1 ? file[1] : (byte)0;
        if (next is not ((byte)'"' or (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t' or (byte)'}'))
            return XgboostDocument.Read(new UbjsonDocumentReader(file).Read());
        var document = new JsonDocumentReader(file).Read();
        return CatBoostDocument.IsCatBoost(document) ? CatBoostDocument.Read(document) : XgboostDocument.Read(document);
    }

    /// <summary>Tells whether a file is what pickle or joblib writes, plain or compressed by zlib, gzip, bzip2 or xz.</summary>
    public static bool IsPickle(ReadOnlySpan<byte> file) =>
        (file.Length > 1 && file[0] == 0x80 && file[1] is >= 2 and <= 5)
        || (file.Length > 1 && file[0] == 0x78 && ((file[0] << 8) | file[1]) % 31 == 0)
        || file.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]) || file.StartsWith("BZh"u8) || file.StartsWith((ReadOnlySpan<byte>)[0xfd, 0x37, 0x7a]);

    private static TreeEnsemble ReadLegacy(ReadOnlySpan<byte> file)
    {
        try
        {
            return new XgboostLegacy(file).Read();
        }
        catch (ForestFormatException error)
        {
            throw new ForestFormatException($"neither JSON, UBJSON, LightGBM text nor ONNX, and as XGBoost's binary format wrong: {error.Message}");
        }
    }
}
