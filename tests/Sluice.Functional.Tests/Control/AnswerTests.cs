using System.Text;
using Sluice.Functional.Tests.Python;

namespace Sluice.Functional.Tests.Control;

/// <summary>What users' code may give out: all that the original's web framework makes JSON of, and its response objects (spec clearml §3.3).</summary>
[Collection(PythonGroup.Name)]
public sealed class AnswerTests
{
    private const string Code = """
        import collections, dataclasses, datetime, decimal, enum, ipaddress, os, re, types, uuid
        import numpy as np

        class Color(enum.Enum):
            RED = "red"

        class Fields:
            def __init__(self):
                self.a, self.b = 1, [decimal.Decimal("2"), decimal.Decimal("2.5")]

        class Response:
            media_type = "text/plain"
            charset = "utf-8"

            def __init__(self, status, body=b"", headers=None):
                self.status_code, self.body, self.headers = status, body, headers or {}

        class Stream:
            media_type = "text/event-stream"
            status_code = 202

            def __init__(self, fails=False):
                self.body_iterator = self.pieces(fails)

            async def pieces(self, fails):
                yield "data: é\n\n"
                if fails:
                    raise ValueError("no more")
                yield b"data: 2\n\n"

            async def leave(self):
                yield "data: 1\n\n"
                raise SystemExit(4)

        class File:
            media_type, status_code, path = "text/plain", 200, "/secret"

        class SecretStr:
            __module__ = "pydantic.types"

            def __init__(self):
                self._secret_value = "hidden"

            def __str__(self):
                return "**********"

        class Token(SecretStr):
            __module__ = "code"

        class BaseModel:
            __module__ = "pydantic.main"

            def model_dump(self, mode, by_alias):
                return {"mode": mode, "by_alias": by_alias}

        class Model(BaseModel):
            __module__ = "code"

        @dataclasses.dataclass
        class Deep:
            of: dict

        class Own(np.ndarray):
            pass

        class Mute(Exception):
            def __str__(self):
                raise SystemExit(5)

        def fail(error):
            raise error

        def leaving():
            stream = Stream()
            stream.body_iterator = stream.leave()
            return stream

        ANSWERS = {
            "process": lambda: os.getpid(),
            "secret": lambda: [SecretStr(), Token(), types.SimpleNamespace(of=SecretStr())],
            "model": lambda: {"it": Model()},
            "huge": lambda: decimal.Decimal("1E+999999999"),
            "zero": lambda: decimal.Decimal("0E+999999"),
            "file": lambda: File(),
            "files": lambda: [File()],
            "masked": lambda: {"y": np.ma.array([1, 2])},
            "own": lambda: np.ones(2).view(Own),
            "deep": lambda: [
                Deep({datetime.date(2020, 1, 2): {Color.RED: 1}}), collections.deque([{uuid.UUID(int=5): 2}]),
                ({b"k": ({Color.RED: i} for i in range(2))} for i in range(1)), types.SimpleNamespace(of={b"k": 3})],
            "mute": lambda: fail(Mute()),
            "muted": lambda: (fail(Mute()) for i in range(1)),
            "exit": lambda: fail(SystemExit(3)),
            "exits": lambda: (fail(SystemExit(3)) for i in range(1)),
            "leaving": leaving,
            "row": lambda: types.SimpleNamespace(_sa_instance_state=Fields(), a=2),
            "cased": lambda: Response(200, b"1", {"Content-Type": "text/csv"}),
            "listed": lambda: Response(200, b"1", [3, ("x",), (b"Content-Type", b"text/csv")]),
            "odd": lambda: Response(200, b"1", 5),
            "generator": lambda: (i for i in range(3)),
            "deque": lambda: collections.deque([1, 2]),
            "object": lambda: {"it": Fields()},
            "namespace": lambda: types.SimpleNamespace(a=1),
            "proxy": lambda: types.MappingProxyType({"a": 1}),
            "decimal": lambda: decimal.Decimal("1E+3"),
            "address": lambda: [ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8")],
            "pattern": lambda: re.compile("a+"),
            "keys": lambda: {Color.RED: (i for i in range(2)), datetime.date(2020, 1, 2): 2, 3: 4, None: {uuid.UUID(int=5): 6}},
            "array": lambda: {"y": np.arange(2)},
            "square": lambda: np.ones((2, 2)),
            "number": lambda: {"y": np.float32(1)},
            "iterator": lambda: {"y": iter([1, 2])},
            "pairs": lambda: {(1, 2): 3},
            "response": lambda: Response(418, b'{"a":1}', {"content-type": "application/problem+json"}),
            "plain": lambda: Response(200, "é".encode("utf-8")),
            "nothing": lambda: Response(204),
            "wrong": lambda: Response(99, b"{}"),
            "stream": lambda: Stream(),
            "broken": lambda: Stream(fails=True),
        }
        """;

    private static readonly string Sync = Code + "\n\n" + """
        class Preprocess:
            def process(self, data, state, collect_custom_statistics_fn=None):
                return ANSWERS[data["of"]]()
        """;

    private static readonly string Awaited = Code + "\n\n" + """
        class Preprocess:
            async def process(self, data, state, collect_custom_statistics_fn=None):
                if "ask" in data:
                    return {"answer": await self.send_request("sync", data={"of": data["ask"]})}
                return ANSWERS[data["of"]]()
        """;

    [Fact]
    public async Task Answers_AreSent_AsTheOriginalSendsThem()
    {
        await using var server = await ControlledServer.StartAsync();
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        await AddAsync(server, "custom", "sync", Sync);
        await AddAsync(server, "custom_async", "awaited", Awaited);
        foreach (var endpoint in (string[])["sync", "awaited"])
        {
            async Task CheckAsync(string of, int status, string body, string type = "application/json")
            {
                using var content = new StringContent($$"""{"of": "{{of}}"}""", Encoding.UTF8, "application/json");
                using var response = await server.Http.PostAsync($"/serve/{endpoint}", content);
                var text = await response.Content.ReadAsStringAsync();
                Assert.Equal((of, status, body), (of, (int)response.StatusCode, text.Contains(body, StringComparison.Ordinal) && status >= 422 ? body : text));
                if (status != 204)
                    Assert.Equal(type, response.Content.Headers.ContentType?.ToString());
            }

            var process = (await server.ServeAsync(endpoint, """{"of": "process"}""")).Body.GetRawText();
            await CheckAsync("generator", 200, "[0,1,2]");
            await CheckAsync("deque", 200, "[1,2]");
            await CheckAsync("object", 200, """{"it":{"a":1,"b":[2,2.5]}}""");
            await CheckAsync("namespace", 200, """{"a":1}""");
            await CheckAsync("proxy", 200, """{"a":1}""");
            await CheckAsync("decimal", 200, "1000");
            await CheckAsync("address", 200, """["::1","10.0.0.0/8"]""");
            await CheckAsync("pattern", 200, "\"a+\"");
            await CheckAsync("keys", 200, """{"red":[0,1],"2020-01-02":2,"3":4,"null":{"00000000-0000-0000-0000-000000000005":6}}""");
            await CheckAsync("array", 500, "Object of type ndarray is not JSON serializable");
            await CheckAsync("square", 500, "Object of type ndarray is not JSON serializable");
            await CheckAsync("number", 500, "Object of type float32 is not JSON serializable");
            await CheckAsync("iterator", 500, "is not JSON serializable");
            await CheckAsync("pairs", 500, "Object of type tuple is not JSON serializable");
            await CheckAsync("response", 418, """{"a":1}""", "application/problem+json");
            await CheckAsync("plain", 200, "é", "text/plain");
            await CheckAsync("nothing", 204, "");
            await CheckAsync("wrong", 500, "99 is no status of an answer");
            await CheckAsync("stream", 202, "data: é\n\ndata: 2\n\n", "text/event-stream");
            await CheckAsync("broken", 422, "no more");
            await CheckAsync("secret", 200, """["**********","**********",{"of":"**********"}]""");
            await CheckAsync("model", 200, """{"it":{"mode":"json","by_alias":true}}""");
            await CheckAsync("huge", 500, "Out of range float values are not JSON compliant");
            await CheckAsync("zero", 200, "0.0");
            await CheckAsync("file", 500, "a response of class File cannot be sent");
            await CheckAsync("files", 500, "a response of class File cannot be sent");
            await CheckAsync("masked", 500, "Object of type MaskedArray is not JSON serializable");
            await CheckAsync("own", 500, "Object of type Own is not JSON serializable");
            await CheckAsync(
                "deep", 200,
                """[{"of":{"2020-01-02":{"red":1}}},[{"00000000-0000-0000-0000-000000000005":2}],[{"k":[{"red":0},{"red":1}]}],{"of":{"k":3}}]""");
            await CheckAsync("row", 200, """{"a":2}""");
            await CheckAsync("cased", 200, "1", "text/csv");
            await CheckAsync("listed", 200, "1", "text/csv");
            await CheckAsync("odd", 200, "1", "text/plain");

            // Each is told to its caller, and the process goes on.
            await CheckAsync("mute", 422, "Mute that cannot be printed");
            await CheckAsync("muted", 500, "Mute that cannot be printed");
            await CheckAsync("exit", 422, "SystemExit");
            await CheckAsync("exits", 500, "SystemExit");
            await CheckAsync("leaving", 422, "SystemExit");
            await CheckAsync("process", 200, process);
        }

        // What is no 2xx is None to code that asks.
        Assert.Equal("""{"answer":null}""", (await server.ServeAsync("awaited", """{"ask": "response"}""")).Body.GetRawText());
        Assert.Equal("""{"answer":[1,2]}""", (await server.ServeAsync("awaited", """{"ask": "deque"}""")).Body.GetRawText());
    }

    [Fact]
    public async Task CallsOfThreads_GoOn_AfterARingOfCallsHasEnded()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        await AddAsync(server, "custom", "leaf", Sync);
        await AddAsync(server, "custom", "ring", """
            from concurrent.futures import ThreadPoolExecutor

            class Preprocess:
                def __init__(self):
                    self.threads = ThreadPoolExecutor(2)

                def process(self, data, state, collect_custom_statistics_fn=None):
                    if "round" in data:
                        return {"next": self.send_request("ring", data=data)}
                    return {"answer": self.threads.submit(self.send_request, "leaf", data={"of": "namespace"}).result()}
            """);
        const string Wanted = """{"answer":{"a":1}}""";
        Assert.Equal(Wanted, (await server.ServeAsync("ring", "{}")).Body.GetRawText());
        var (status, ring) = await server.ServeAsync("ring", """{"round": 1}""");
        Assert.Equal(200, status);
        Assert.EndsWith("{\"next\":null" + new string('}', ring.GetRawText().Count(letter => letter == '}')), ring.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(Wanted, (await server.ServeAsync("ring", "{}")).Body.GetRawText());
    }

    private static async Task AddAsync(ControlledServer server, string engine, string name, string code)
    {
        var file = Path.Combine(server.Folder, $"{name}.py");
        await File.WriteAllTextAsync(file, code);
        await server.DoAsync("model", "add", "--engine", engine, "--endpoint", name, "--preprocess", file);
        await server.ReadyAsync(name);
    }
}
