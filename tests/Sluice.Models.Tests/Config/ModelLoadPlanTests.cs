using System.Collections.Immutable;
using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Models.Tests;

public sealed class ModelLoadPlanTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Complete_EmptyConfigOfBatchableModel_FillsEverything()
    {
        var plan = Plan("");
        var settings = plan.Complete(Graph("x:-1,64", "p:-1,10", "label:-1"));

        Assert.Equal(("onnxruntime", "onnxruntime_onnx", "model.onnx"), (settings.Backend, settings.Platform, settings.ModelFilename));
        Assert.Equal(4, settings.MaxBatchSize);
        Assert.Equal([64], settings.Inputs[0].Dims);
        Assert.Equal([10], settings.Outputs[0].Dims);
        Assert.Equal([1], settings.Outputs[1].Dims);
        Assert.Equal([], settings.Outputs[1].Reshape!);
        Assert.Equal([4], settings.DynamicBatching!.PreferredBatchSizes.ToArray());
        var group = Assert.Single(settings.InstanceGroups);
        Assert.Equal(("m", InstanceKind.Cpu, 2), (group.Name, group.Kind, group.Count));

        Assert.Equal("m", plan.Config.Name);
        Assert.Equal("model.onnx", plan.Config.DefaultModelFilename);
        Assert.Equal(1u, plan.Config.VersionPolicy.Latest.NumVersions);
        Assert.True(plan.Config.Optimization.InputPinnedMemory.Enable);
        Assert.True(plan.Config.Optimization.OutputPinnedMemory.Enable);
        Assert.Equal([4], plan.Config.DynamicBatching.PreferredBatchSize);
        Assert.Equal(ModelInstanceGroup.Types.Kind.Cpu, plan.Config.InstanceGroup[0].Kind);
    }

    [Theory]
    [InlineData("x:3,5", "y:3,3", "3,5", "3,3")]
    [InlineData("x:-1", "y:?", "-1", "-1")]
    [InlineData("a:-1,4 b:-1,4", "s:4", "-1,4", "4")]
    [InlineData("x:-1 s:2", "y:-1,-1", "-1", "-1,-1")]
    public void Complete_GraphThatCannotBatch_KeepsFullShapes(string inputs, string outputs, string firstInput, string firstOutput)
    {
        var settings = Plan("").Complete(GraphOf(inputs, outputs));

        Assert.Equal(0, settings.MaxBatchSize);
        Assert.Null(settings.DynamicBatching);
        Assert.Equal(firstInput, string.Join(',', settings.Inputs[0].Dims));
        Assert.Equal(firstOutput, string.Join(',', settings.Outputs[0].Dims));
    }

    [Fact]
    public void Complete_Scalars_BecomeOneElementReshapedToNone()
    {
        var settings = Plan("").Complete(Graph("x:", "y:"));

        Assert.Equal([1], settings.Inputs[0].Dims);
        Assert.Equal([], settings.Inputs[0].Reshape!);
        Assert.Equal([1], settings.Outputs[0].Dims);
        Assert.Equal([], settings.Outputs[0].Reshape!);
    }

    [Fact]
    public void Complete_BucketsOfAFamily_AreTheModels()
    {
        var settings = Plan(
            "model_metrics { metric_control { metric_identifier { family: 'f' } histogram_options { buckets: [0.5, 2] } } }").Complete(FakeLoader.Graph);
        Assert.Equal([0.5, 2], settings.HistogramBounds["f"].ToArray());
    }

    [Fact]
    public void Complete_BatchesOnFixedGraph_FailsAsStockServersDo()
    {
        var error = Fails("max_batch_size: 8", Graph("x:3,5", "y:3,3"));

        Assert.Equal(
            "autofill failed for model 'm': model does not support batching while non-zero max_batch_size is specified", error);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("1", 1)]
    [InlineData("16", 16)]
    public void Complete_OperatorsBatchSize_WinsOverDefault(string value, int expected)
    {
        var config = ImmutableDictionary<string, string>.Empty.Add("default-max-batch-size", value.Length == 0 ? "0" : value);
        var options = new ModelConfigOptions
        {
            BackendConfig = ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty.Add("onnxruntime", config),
        };
        var settings = Plan("", options: options).Complete(FakeLoader.Graph);

        Assert.Equal(expected, settings.MaxBatchSize);
        Assert.Equal(expected > 1, settings.DynamicBatching is not null);
        Assert.Equal(config, settings.BackendConfig);
    }

    [Fact]
    public void Complete_InputsGivenWithBatchDimension_DoesNotAddAnother()
    {
        var settings = Plan("input { name: 'x' data_type: TYPE_FP32 dims: [ -1, 4 ] }").Complete(FakeLoader.Graph);

        Assert.Equal(0, settings.MaxBatchSize);
        Assert.Equal([-1, 2], settings.Outputs[0].Dims);
    }

    [Fact]
    public void Complete_InputNamedWithoutTypeAndDims_IsFilled()
    {
        var settings = Plan("input { name: 'x' } output { name: 'y' } max_batch_size: 2").Complete(FakeLoader.Graph);

        Assert.Equal((DataType.Fp32, 4L), (settings.Inputs[0].DataType, settings.Inputs[0].Dims[0]));
        Assert.Equal([2L], settings.Outputs[0].Dims);
        Assert.Null(settings.DynamicBatching);
    }

    [Fact]
    public void Complete_AutoCompleteOff_ChangesNoTensor()
    {
        var error = Assert.Throws<InferenceException>(() =>
            Plan("", options: new ModelConfigOptions { AutoComplete = false }).Complete(FakeLoader.Graph));

        Assert.Contains("configuration expects 0 inputs, model provides 1; missing 'x'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Complete_OptionalInput_MayBeLeftOut()
    {
        var graph = FakeLoader.Graph with
        {
            Inputs = FakeLoader.Graph.Inputs.Add(
                new TensorDescription { Name = "bias", DataType = DataType.Fp32, Dims = [-1, 1], IsOptional = true }),
        };

        Assert.Single(Plan(Full).Complete(graph).Inputs);
        Assert.True(Plan("").Complete(graph).Inputs[1].IsOptional);
    }

    [Theory]
    [InlineData("max_batch_size: 8 input { name: 'z' } output { name: 'y' }", "unexpected inference input 'z' for model 'm', allowed inputs are: x")]
    [InlineData("max_batch_size: 8 input { name: 'x' } output { name: 'z' }", "unexpected inference output 'z' for model 'm', allowed outputs are: y")]
    [InlineData("max_batch_size: 8 input { name: 'x' data_type: TYPE_INT8 } output { name: 'y' }", "expects datatype TYPE_INT8 for input 'x', model provides TYPE_FP32")]
    [InlineData("max_batch_size: 8 input { name: 'x' dims: 5 } output { name: 'y' }", "the model expects shape [-1,4] but the model configuration specifies shape [-1,5]")]
    [InlineData("max_batch_size: 8 input { name: 'x' dims: [4, 1] } output { name: 'y' }", "the model expects 2 dimensions (shape [-1,4]) but the model configuration specifies 3 dimensions")]
    [InlineData("max_batch_size: -1", "'max_batch_size' must be non-negative value for m")]
    [InlineData("max_batch_size: 8 input { name: 'x' dims: -2 }", "-1 to indicate a variable-size dimension")]
    [InlineData("max_batch_size: 8 input { name: 'x' dims: 4 reshape { shape: [ 2, 3 ] } }", "different size for dims and reshape")]
    [InlineData("input { name: 'x' } input { name: 'x' }", "input 'x' is listed more than once")]
    [InlineData("dynamic_batching { preferred_batch_size: 9 } max_batch_size: 8", "preferred size must be <= max batch size for m")]
    [InlineData("dynamic_batching { preferred_batch_size: 0 } max_batch_size: 8", "preferred size must be positive for m")]
    [InlineData("dynamic_batching { priority_levels: 2 } max_batch_size: 8", "default priority level must be in range [1, 2] for m")]
    [InlineData("dynamic_batching { priority_queue_policy { key: 1 value { } } } max_batch_size: 8", "priority level in range [1, 0] for m")]
    [InlineData("instance_group { kind: KIND_GPU }", "has kind KIND_GPU but no GPUs are available")]
    [InlineData("instance_group { kind: KIND_CPU gpus: 0 }", "has kind KIND_CPU but specifies one or more GPUs")]
    [InlineData("instance_group { gpus: 3 }", "specifies invalid or unsupported gpu id 3")]
    [InlineData("version_policy { latest { } }", "must be at least 1")]
    [InlineData("model_metrics { metric_control { histogram_options { buckets: [1] } } }", "names no family")]
    [InlineData("model_metrics { metric_control { metric_identifier { family: 'f' } histogram_options { buckets: [2, 1] } } }", "ascending buckets above 0 for family 'f', not 2, 1")]
    [InlineData("model_metrics { metric_control { metric_identifier { family: 'f' } histogram_options { buckets: [1, nan] } } }", "ascending buckets above 0")]
    [InlineData("model_metrics { metric_control { metric_identifier { family: 'f' } } metric_control { metric_identifier { family: 'f' } } }", "family 'f' more than once")]
    public void Complete_ConfigThatDoesNotFit_NamesTheFault(string config, string expected) =>
        Assert.Contains(expected, Fails(config, FakeLoader.Graph), StringComparison.Ordinal);

    [Fact]
    public void Complete_SeveralFaults_AreAllNamed()
    {
        var error = Fails("max_batch_size: 8 input { name: 'x' data_type: TYPE_INT8 dims: 5 } output { name: 'q' data_type: TYPE_INT8 dims: 1 }", FakeLoader.Graph);

        Assert.Contains("TYPE_INT8", error, StringComparison.Ordinal);
        Assert.Contains("[-1,5]", error, StringComparison.Ordinal);
        Assert.Contains("'q'", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Complete_BatchesOnUnknownShape_AreAccepted()
    {
        var settings = Plan("max_batch_size: 8 input { name: 'x' } output { name: 'y' data_type: TYPE_FP32 dims: [ 7, 7 ] }")
            .Complete(Graph("x:-1,4", "y:?"));

        Assert.Equal([7L, 7L], settings.Outputs[0].Dims);
    }

    [Fact]
    public void Complete_FullDynamicBatching_ReachesSettings()
    {
        var batching = Plan(Full + """
             dynamic_batching {
               preferred_batch_size: [ 8, 4, 8 ] max_queue_delay_microseconds: 500 preserve_ordering: true
               priority_levels: 2 default_priority_level: 2
               default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 7 max_queue_size: 9 }
               priority_queue_policy { key: 1 value { allow_timeout_override: true } }
             }
            """).Complete(FakeLoader.Graph).DynamicBatching!;

        Assert.Equal([4, 8], batching.PreferredBatchSizes.ToArray());
        Assert.Equal((500, true, 2, 2), (batching.MaxQueueDelayMicroseconds, batching.PreserveOrdering, batching.PriorityLevels, batching.DefaultPriorityLevel));
        Assert.Equal(
            new QueuePolicySettings { TimeoutAction = QueueTimeoutAction.Delay, DefaultTimeoutMicroseconds = 7, MaxQueueSize = 9 },
            batching.DefaultQueuePolicy);
        Assert.True(batching.PriorityQueuePolicies[1].AllowTimeoutOverride);
    }

    [Theory]
    [InlineData("instance_group { count: 3 kind: KIND_CPU }", "m_0", InstanceKind.Cpu, 3)]
    [InlineData("instance_group { kind: KIND_CPU }", "m_0", InstanceKind.Cpu, 2)]
    [InlineData("instance_group { name: 'g' kind: KIND_MODEL }", "g", InstanceKind.Model, 1)]
    public void Complete_InstanceGroup_TakesDefaults(string config, string name, InstanceKind kind, int count)
    {
        var group = Assert.Single(Plan(config).Complete(FakeLoader.Graph).InstanceGroups);

        Assert.Equal((name, kind, count), (group.Name, group.Kind, group.Count));
    }

    [Fact]
    public void Complete_UsableGpus_AreTakenByAutoGroups()
    {
        var options = new ModelConfigOptions { UsableGpus = [0, 1] };
        var group = Assert.Single(Plan("", options: options).Complete(FakeLoader.Graph).InstanceGroups);

        Assert.Equal((InstanceKind.Gpu, 1), (group.Kind, group.Count));
        Assert.Equal([0, 1], group.Gpus.ToArray());
    }

    [Theory]
    [InlineData("platform: 'onnxruntime_onnx'", "none", "onnxruntime", "onnxruntime_onnx", "model.onnx")]
    [InlineData("backend: 'onnxruntime' default_model_filename: 'best.onnx'", "none", "onnxruntime", "onnxruntime_onnx", "best.onnx")]
    [InlineData("default_model_filename: 'model.pt'", "none", "pytorch", "pytorch_libtorch", "model.pt")]
    [InlineData("platform: 'torch_aoti'", "none", "pytorch", "torch_aoti", "model.pt2")]
    [InlineData("backend: 'python'", "model.onnx", "python", "", "model.py")]
    [InlineData("backend: 'own'", "model.onnx", "own", "", "")]
    [InlineData("", "model.plan", "tensorrt", "tensorrt_plan", "model.plan")]
    [InlineData("", "model.py", "python", "", "model.py")]
    [InlineData("", "model.onnx/part", "onnxruntime", "onnxruntime_onnx", "model.onnx/model.onnx")]
    public void Draft_Engine_ComesFromConfigurationOrFile(string config, string file, string backend, string platform, string filename)
    {
        var draft = Plan(config, file).Draft;

        Assert.Equal((backend, platform, filename), (draft.Backend, draft.Platform, draft.ModelFilename));
    }

    [Fact]
    public void Draft_EngineInModelName_IsTaken() => Assert.Equal("identity", Plan("", "none", "m.identity").Draft.Backend);

    [Theory]
    [InlineData("", "Invalid model name: Could not determine backend for model 'm'")]
    [InlineData("platform: 'tensorflow_savedmodel'", "unexpected platform type 'tensorflow_savedmodel' for m")]
    [InlineData("platform: 'onnxruntime_onnx' backend: 'python'", "do not belong together")]
    [InlineData("name: 'other' backend: 'python'", "unexpected directory name 'm' for model 'other'")]
    [InlineData("platform: 'ensemble'", "has platform 'ensemble' but no 'ensemble_scheduling'")]
    [InlineData("backend: 'python' sequence_batching { state { initial_state { data_file: '../x' } } }", "must stay inside the model's folder")]
    [InlineData("backend: 'python' default_model_filename: '../../etc/passwd'", "must stay inside the model's folder")]
    [InlineData("backend: 'python' default_model_filename: '/etc/passwd'", "must stay inside the model's folder")]
    [InlineData("backend: 'python' output { label_filename: 'a/../../b' }", "must stay inside the model's folder")]
    public void Draft_ConfigThatCannotBeServed_IsRefused(string config, string expected) =>
        Assert.Contains(
            expected, Assert.Throws<InferenceException>(() => Plan(config, "none")).Message, StringComparison.Ordinal);

    [Fact]
    public void ReadJson_BothSpellings_AreUnderstood()
    {
        var config = ModelConfigFile.ReadJson("m", """
            { "max_batch_size": 8, "input": [ { "name": "x", "dataType": "TYPE_FP32", "dims": [ "4", -1 ] } ],
              "dynamicBatching": { "max_queue_delay_microseconds": "500" } }
            """);

        Assert.Equal((8, 500ul), (config.MaxBatchSize, config.DynamicBatching.MaxQueueDelayMicroseconds));
        Assert.Equal([4, -1], config.Input[0].Dims);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[ 1")]
    [InlineData("null")]
    [InlineData("{ \"name\"")]
    [InlineData("{ \"nme\": 1 }")]
    [InlineData("{ \"name\": \"\\ud83d\" }")]
    [InlineData("{ \"max_batch_size\": 1e40 }")]
    [InlineData("{ \"input\": [ null ] }")]
    [InlineData("{ \"input\": { } } }")]
    public void ReadJson_ThatIsNoConfiguration_IsInvalid(string json)
    {
        var error = Assert.Throws<InferenceException>(() => ModelConfigFile.ReadJson("m", json));

        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.StartsWith("failed to load 'm', ", error.Message);
    }

    private const string Full =
        "max_batch_size: 8 input { name: 'x' data_type: TYPE_FP32 dims: 4 } output { name: 'y' data_type: TYPE_FP32 dims: 2 }";

    private ModelLoadPlan Plan(string config, string file = "model.onnx", string name = "m", ModelConfigOptions? options = null)
    {
        _folder.Write($"{name}/1/{file}");
        var parsed = TextFormat.Parse<ModelConfig>(Encoding.UTF8.GetBytes(config), "config.pbtxt");
        return new ModelLoadPlan(
            parsed, new ModelVersionFolder(name, Path.Combine(_folder.Path, name), 1), options ?? new ModelConfigOptions());
    }

    private string Fails(string config, ModelDescription graph)
    {
        var error = Assert.Throws<InferenceException>(() => Plan(config).Complete(graph));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        return error.Message;
    }

    private static ModelDescription Graph(string input, params string[] outputs) =>
        GraphOf(input, string.Join(' ', outputs));

    private static ModelDescription GraphOf(string inputs, string outputs) => new(Tensors(inputs), Tensors(outputs));

    // "x:-1,4 y:? z:" is a batch of 4, something unknown and a scalar.
    private static ImmutableArray<TensorDescription> Tensors(string text) => [.. text.Split(' ').Select(t =>
    {
        var (name, dims) = (t.Split(':')[0], t.Split(':')[1]);
        return new TensorDescription
        {
            Name = name,
            DataType = DataType.Fp32,
            Dims = dims == "?" ? null : [.. dims.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(long.Parse)],
        };
    })];
}
