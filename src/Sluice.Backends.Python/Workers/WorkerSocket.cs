using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Sluice.Backends.Python.Interop;
using Sluice.Backends.Python.Wire;

namespace Sluice.Backends.Python.Workers;

/// <summary>One socket of a worker: sends without ever waiting, cuts what it receives into frames.</summary>
/// <remarks><b>Threads.</b> Any may send; one receives.</remarks>
internal sealed class WorkerSocket(int file, int wakeUp) : IDisposable
{
    private const int ReadBytes = 64 * 1024;
    private const long MostPendingBytes = 256L << 20;

    private readonly object _gate = new();
    private readonly Queue<byte[]> _pending = new();
    private byte[] _received = new byte[ReadBytes];
    private int _start;
    private int _end;
    private int _pendingStart;
    private long _pendingBytes;
    private bool _isClosed;

    /// <summary>The descriptor.</summary>
    public int File => file;

    /// <summary>Something waits until the worker reads.</summary>
    public bool HasPending
    {
        get
        {
            lock (_gate)
                return _pending.Count > 0;
        }
    }

    /// <summary>Sends a frame; what does not fit is kept and sent later.</summary>
    /// <returns>False when the worker has gone or does not read.</returns>
    public bool Send(ReadOnlySpan<byte> frame)
    {
        lock (_gate)
        {
            if (_isClosed)
                return false;
            if (_pending.Count == 0)
            {
                var sent = LibC.Send(file, frame);
                if (sent == frame.Length)
                    return true;
                if (sent < 0 && Marshal.GetLastPInvokeError() is not (LibC.TryAgain or LibC.InterruptedCall))
                    return false;
                frame = frame[(int)Math.Max(0, sent)..];
            }

            if (_pendingBytes + frame.Length > MostPendingBytes)
                return false;
            _pending.Enqueue(frame.ToArray());
            _pendingBytes += frame.Length;
        }

        LibC.Wake(wakeUp);
        return true;
    }

    /// <summary>Sends what was kept.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            while (_pending.TryPeek(out var first))
            {
                var sent = LibC.Send(file, first.AsSpan(_pendingStart));
                if (sent < 0)
                    return;
                _pendingStart += (int)sent;
                _pendingBytes -= sent;
                if (_pendingStart < first.Length)
                    return;
                _pending.Dequeue();
                _pendingStart = 0;
            }
        }
    }

    /// <summary>Receives once.</summary>
    /// <returns>False at the end.</returns>
    public bool Receive()
    {
        if (_end == _received.Length)
            MakeRoom();
        var count = LibC.Receive(file, _received.AsSpan(_end));
        if (count < 0)
            return Marshal.GetLastPInvokeError() is LibC.TryAgain or LibC.InterruptedCall;
        _end += (int)count;
        return count > 0;
    }

    /// <summary>Receives more of what a process left behind when it ended.</summary>
    /// <returns>False when there is nothing more.</returns>
    public bool ReceiveRest()
    {
        if (_end == _received.Length)
            MakeRoom();
        var count = LibC.Receive(file, _received.AsSpan(_end));
        _end += (int)Math.Max(0, count);
        return count > 0;
    }

    /// <summary>Takes the next whole frame.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="frame">Lent until more is received.</param>
    /// <exception cref="WireException">What comes is no frame.</exception>
    public bool TryTake(out byte kind, out ReadOnlySpan<byte> frame)
    {
        kind = 0;
        frame = default;
        var rest = _received.AsSpan(_start, _end - _start);
        if (rest.Length < Frames.HeadBytes)
            return Compact();
        var length = BinaryPrimitives.ReadUInt32LittleEndian(rest);
        if (length is < Frames.HeadBytes or > Frames.MaxBytes)
            throw new WireException($"a frame of {length} bytes");
        if (!Frames.IsToServer(rest[4]) || (rest[5] | rest[6] | rest[7]) != 0)
            throw new WireException($"a frame of kind {rest[4]}");
        if (rest.Length < length)
        {
            if (_received.Length < length)
                Array.Resize(ref _received, (int)length);
            return Compact();
        }

        kind = rest[4];
        frame = rest[..(int)length];
        _start += (int)length;
        return true;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (!_isClosed)
                LibC.Close(file);
            _isClosed = true;
            _pending.Clear();
        }
    }

    private bool Compact()
    {
        if (_start == _end)
        {
            _start = _end = 0;
            if (_received.Length > 16 * ReadBytes)
                _received = new byte[ReadBytes];
        }

        return false;
    }

    private void MakeRoom()
    {
        if (_start == 0)
            Array.Resize(ref _received, _received.Length * 2);
        else
            _received.AsSpan(_start, _end - _start).CopyTo(_received);
        _end -= _start;
        _start = 0;
    }
}
