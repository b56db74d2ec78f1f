#include "infer_request.h"

#include <cstdint>
#include <cstring>
#include <sstream>

namespace sluice {
namespace {

constexpr size_t kMaxInputBytes = size_t{1} << 30;

template <typename T>
std::string CountingValues(size_t count, double scale) {
  std::string bytes(count * sizeof(T), '\0');
  for (size_t i = 0; i < count; ++i) {
    const T value = static_cast<T>(static_cast<double>(i % 17) * scale);
    std::memcpy(&bytes[i * sizeof(T)], &value, sizeof(T));
  }
  return bytes;
}

// The raw bytes of `count` elements; empty for a type that this tool does not know.
std::string RawData(const std::string& datatype, size_t count) {
  if (datatype == "INT8") return CountingValues<int8_t>(count, 1);
  if (datatype == "UINT8") return CountingValues<uint8_t>(count, 1);
  if (datatype == "INT32") return CountingValues<int32_t>(count, 1);
  if (datatype == "INT64") return CountingValues<int64_t>(count, 1);
  if (datatype == "FP32") return CountingValues<float>(count, 1.0 / 16);
  if (datatype == "FP64") return CountingValues<double>(count, 1.0 / 16);
  return "";
}

}  // namespace

std::string AddInput(const std::string& spec, inference::ModelInferRequest* request) {
  std::istringstream parts(spec);
  std::string name, datatype, dims;
  std::getline(parts, name, ':');
  std::getline(parts, datatype, ':');
  std::getline(parts, dims);

  auto* input = request->add_inputs();
  input->set_name(name);
  input->set_datatype(datatype);
  size_t count = 1;
  std::istringstream dim_parts(dims);
  for (std::string text; std::getline(dim_parts, text, ',');) {
    char* end = nullptr;
    const auto dim = std::strtoll(text.c_str(), &end, 10);
    if (*end != '\0' || dim <= 0 || static_cast<size_t>(dim) > kMaxInputBytes / count) {
      return "'" + spec + "' has the bad dimension '" + text + "'";
    }
    input->add_shape(dim);
    count *= static_cast<size_t>(dim);
  }
  if (name.empty() || input->shape().empty())
    return "'" + spec + "' is not NAME:DATATYPE:DIM,DIM,...";
  auto data = RawData(datatype, count);
  if (data.empty()) return "'" + spec + "' has the unknown datatype '" + datatype + "'";
  request->add_raw_input_contents(std::move(data));
  return "";
}

std::string CompareEcho(const inference::ModelInferRequest& request,
                        const inference::ModelInferResponse& response) {
  if (response.outputs_size() != request.inputs_size() ||
      response.raw_output_contents_size() != request.raw_input_contents_size()) {
    return "another number of tensors than was sent";
  }
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& input = request.inputs(i);
    const auto& output = response.outputs(i);
    if (output.name() != input.name() || output.datatype() != input.datatype() ||
        !std::equal(output.shape().begin(), output.shape().end(), input.shape().begin(),
                    input.shape().end())) {
      return "tensor " + std::to_string(i) + " is described otherwise than it was sent";
    }
    if (response.raw_output_contents(i) != request.raw_input_contents(i)) {
      return "tensor " + std::to_string(i) + " holds other bytes than were sent";
    }
  }
  return "";
}

std::string GrpcFrame(const inference::ModelInferRequest& request) {
  const auto message = request.SerializeAsString();
  std::string frame(5, '\0');
  for (int i = 0; i < 4; ++i) frame[1 + i] = static_cast<char>(message.size() >> (24 - 8 * i));
  return frame + message;
}

}  // namespace sluice
