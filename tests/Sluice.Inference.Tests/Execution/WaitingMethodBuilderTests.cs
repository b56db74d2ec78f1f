// A result that is kept, read early or read twice is what is tested here.
#pragma warning disable CA2012, xUnit1031
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Sluice.Inference.Tests.Execution;

/// <summary>Methods that wait end as others do, and cost no memory once their states have been kept.</summary>
public sealed class WaitingMethodBuilderTests
{
    private const int Count = 64;

    [Fact]
    public async Task Method_EndsAtOnce_OrLater_WithItsResult()
    {
        var gates = new Gate[] { new(), new() };
        var log = new List<string>();
        var running = RunAsync(gates, log);
        Assert.False(running.IsCompleted);
        gates[0].Open();
        Assert.False(running.IsCompleted);
        gates[1].Open();
        await running;
        Assert.Equal(["began", "first", "second"], log);
        await RunAsync([], log);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Method_Throws_IntoItsTask(int waits)
    {
        var gate = new Gate();
        var running = ThrowAsync(waits == 0 ? null : gate);
        Assert.Equal(waits == 0, running.IsFaulted);
        gate.Open();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(async () => await running);
        Assert.Equal("on purpose", error.Message);
    }

    [Fact]
    public async Task Result_ReadTwice_IsRefused()
    {
        var gate = new Gate();
        var running = RunAsync([gate], []);
        gate.Open();
        await running;
        Assert.Throws<InvalidOperationException>(() => running.GetAwaiter().GetResult());
    }

    [Fact]
    public void Result_ReadTooEarly_IsRefused()
    {
        var gate = new Gate();
        var running = RunAsync([gate], []);
        Assert.Throws<InvalidOperationException>(() => running.GetAwaiter().GetResult());
        gate.Open();
        running.GetAwaiter().GetResult();
    }

    [Fact]
    public void Methods_ThatWaitTogether_AllocateNothingTheSecondTime()
    {
        var gates = Enumerable.Range(0, Count).Select(_ => new Gate()).ToArray();
        var log = new List<string>(8 * Count);
        var running = new ValueTask[Count];
        WaitTogether(gates, running, log);
        log.Clear();
        var before = GC.GetAllocatedBytesForCurrentThread();
        WaitTogether(gates, running, log);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(2 * Count, log.Count);
    }

    [Fact]
    public void Method_HasEnded_ItsLocalsAreForgotten()
    {
        var gate = new Gate();
        var weak = Hold(gate);
        GC.Collect();
        Assert.False(weak.IsAlive);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Hold(Gate gate)
    {
        var log = new List<string>();
        var running = RunAsync([gate], log);
        gate.Open();
        running.GetAwaiter().GetResult();
        return new WeakReference(log);
    }

    private static void WaitTogether(Gate[] gates, ValueTask[] running, List<string> log)
    {
        for (var i = 0; i < Count; i++)
            running[i] = OneAsync(gates[i], log);
        foreach (var gate in gates)
            gate.Open();
        foreach (var one in running)
            one.GetAwaiter().GetResult();
        foreach (var gate in gates)
            gate.Close();
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private static async ValueTask OneAsync(Gate gate, List<string> log)
    {
        log.Add("began");
        await gate.WaitAsync().ConfigureAwait(false);
        log.Add("ended");
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private static async ValueTask RunAsync(Gate[] gates, List<string> log)
    {
        log.Add("began");
        if (gates.Length == 0)
            return;
        await gates[0].WaitAsync().ConfigureAwait(false);
        log.Add("first");
        if (gates.Length == 1)
            return;
        await gates[1].WaitAsync().ConfigureAwait(false);
        log.Add("second");
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private static async ValueTask ThrowAsync(Gate? gate)
    {
        if (gate is not null)
            await gate.WaitAsync().ConfigureAwait(false);
        throw new InvalidOperationException("on purpose");
    }

    /// <summary>Something to wait for that allocates nothing itself.</summary>
    private sealed class Gate : IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _core;

        public ValueTask WaitAsync() => new(this, _core.Version);

        public void Open() => _core.SetResult(true);

        public void Close() => _core.Reset();

        void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource.OnCompleted(
            Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
