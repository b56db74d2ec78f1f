// Calls the server with gRPC C++: grpc_client ADDRESS
// Prints one line per case; exits with 1 when one fails.

#include <grpcpp/grpcpp.h>

#include <cstring>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "inference/v2/grpc_service.grpc.pb.h"

namespace sluice {
namespace {

using inference::GRPCInferenceService;
using inference::ModelInferRequest;
using inference::ModelInferResponse;
using inference::ModelStreamInferResponse;
using Stub = GRPCInferenceService::Stub;

constexpr int64_t kEndless = int64_t{1} << 40;
constexpr int kStreams = 1000;

void Expect(bool condition, const std::string& text) {
  if (!condition) throw std::runtime_error(text);
}

void SetLimit(grpc::ClientContext* context, std::chrono::milliseconds limit = std::chrono::minutes(1)) {
  context->set_deadline(std::chrono::system_clock::now() + limit);
}

void AddTensor(ModelInferRequest* request, const std::string& name, const std::string& datatype,
               const std::vector<int64_t>& shape, std::string data) {
  auto* input = request->add_inputs();
  input->set_name(name);
  input->set_datatype(datatype);
  for (const auto dimension : shape) input->add_shape(dimension);
  *request->add_raw_input_contents() = std::move(data);
}

std::string Ints(const std::vector<int32_t>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int32_t));
}

std::vector<int32_t> Range(int32_t first) {
  std::vector<int32_t> values(16);
  for (int32_t i = 0; i < 16; ++i) values[i] = first + i;
  return values;
}

ModelInferRequest AddSub(const std::string& model = "add_sub_int32") {
  ModelInferRequest request;
  request.set_model_name(model);
  AddTensor(&request, "INPUT0", "INT32", {1, 16}, Ints(Range(0)));
  AddTensor(&request, "INPUT1", "INT32", {1, 16}, Ints(std::vector<int32_t>(16, 1)));
  return request;
}

ModelInferRequest Wide(std::string data) {
  ModelInferRequest request;
  request.set_model_name("wide");
  const auto count = static_cast<int64_t>(data.size() / sizeof(float));
  AddTensor(&request, "INPUT0", "FP32", {count}, std::move(data));
  return request;
}

ModelInferRequest Slow(int64_t steps) {
  ModelInferRequest request;
  request.set_model_name("slow");
  AddTensor(&request, "STEPS", "INT64", {}, std::string(reinterpret_cast<const char*>(&steps), sizeof steps));
  return request;
}

void CheckSum(const ModelInferResponse& response) {
  Expect(response.raw_output_contents_size() == 2, "not two outputs");
  Expect(response.raw_output_contents(0) == Ints(Range(1)), "wrong sum");
}

ModelInferResponse Infer(Stub* stub, const ModelInferRequest& request, grpc::ClientContext* context) {
  ModelInferResponse response;
  const auto status = stub->ModelInfer(context, request, &response);
  Expect(status.ok(), std::to_string(status.error_code()) + " " + status.error_message());
  return response;
}

ModelInferResponse Infer(Stub* stub, const ModelInferRequest& request) {
  grpc::ClientContext context;
  SetLimit(&context);
  return Infer(stub, request, &context);
}

std::string FailsWith(Stub* stub, const ModelInferRequest& request, grpc::StatusCode code,
                      grpc::ClientContext* context) {
  ModelInferResponse response;
  const auto status = stub->ModelInfer(context, request, &response);
  Expect(status.error_code() == code, std::to_string(status.error_code()) + " " + status.error_message());
  return status.error_message();
}

std::string FailsWith(Stub* stub, const ModelInferRequest& request, grpc::StatusCode code) {
  grpc::ClientContext context;
  SetLimit(&context);
  return FailsWith(stub, request, code, &context);
}

void Unary(Stub* stub) { CheckSum(Infer(stub, AddSub())); }

void Bidi(Stub* stub) {
  grpc::ClientContext context;
  SetLimit(&context);
  const auto stream = stub->ModelStreamInfer(&context);
  for (int i = 0; i < 100; ++i) Expect(stream->Write(AddSub()), "a write failed");
  stream->WritesDone();
  ModelStreamInferResponse response;
  int count = 0;
  for (; stream->Read(&response); ++count) CheckSum(response.infer_response());
  Expect(count == 100, std::to_string(count) + " answers");
  Expect(stream->Finish().ok(), "the stream failed");
}

void Deadline(Stub* stub) {
  Infer(stub, Slow(100000));
  grpc::ClientContext context;
  SetLimit(&context, std::chrono::milliseconds(200));
  FailsWith(stub, Slow(kEndless), grpc::DEADLINE_EXCEEDED, &context);
  Infer(stub, Slow(3));
}

void Cancel(Stub* stub) {
  Infer(stub, Slow(100000));
  grpc::ClientContext context;
  SetLimit(&context);
  auto running = std::async(std::launch::async, [&] { FailsWith(stub, Slow(kEndless), grpc::CANCELLED, &context); });
  Infer(stub, AddSub());
  context.TryCancel();
  running.get();
  Infer(stub, Slow(3));
}

void Gzip(Stub* stub) {
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    SetLimit(&context);
    context.set_compression_algorithm(algorithm);
    const std::string data(1 << 20, 'x');
    Expect(Infer(stub, Wide(data), &context).raw_output_contents(0) == data, "other bytes");
  }
}

void Errors(Stub* stub) {
  const auto message = FailsWith(stub, AddSub("größe-模型"), grpc::NOT_FOUND);
  Expect(message == "Request for unknown model: 'größe-模型' is not found", message);
  auto wrong = AddSub();
  wrong.mutable_inputs(0)->set_shape(1, 17);
  FailsWith(stub, wrong, grpc::INVALID_ARGUMENT);
}

void Large(Stub* stub) {
  std::string data(64 << 20, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7);
  Expect(Infer(stub, Wide(data)).raw_output_contents(0) == data, "other bytes");
}

// All streams are open before the first is answered, and all are answered before the first ends.
void Streams(Stub* stub) {
  struct One {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<ModelInferRequest, ModelStreamInferResponse>> call;
  };
  std::vector<One> streams(kStreams);
  for (auto& stream : streams) {
    SetLimit(&stream.context);
    stream.call = stub->ModelStreamInfer(&stream.context);
    Expect(stream.call->Write(AddSub()), "a write failed");
  }
  ModelStreamInferResponse response;
  for (auto& stream : streams) {
    Expect(stream.call->Read(&response), "a read failed");
    CheckSum(response.infer_response());
  }
  for (auto& stream : streams) {
    stream.call->WritesDone();
    Expect(!stream.call->Read(&response), "more than was asked for");
    Expect(stream.call->Finish().ok(), "a stream failed");
  }
}

int Main(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  const auto stub = GRPCInferenceService::NewStub(channel);
  const std::vector<std::pair<const char*, std::function<void(Stub*)>>> cases = {
      {"unary", Unary},   {"bidi", Bidi}, {"deadline", Deadline}, {"cancel", Cancel},
      {"gzip", Gzip},     {"errors", Errors}, {"large", Large},   {"streams", Streams},
  };
  int failed = 0;
  for (const auto& [name, run] : cases) {
    try {
      run(stub.get());
      std::cout << "ok " << name << std::endl;
    } catch (const std::exception& error) {
      ++failed;
      std::cout << "FAILED " << name << ": " << error.what() << std::endl;
    }
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: grpc_client ADDRESS\n";
    return 2;
  }
  return sluice::Main(argv[1]);
}
