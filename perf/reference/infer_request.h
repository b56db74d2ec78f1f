#ifndef SLUICE_PERF_REFERENCE_INFER_REQUEST_H_
#define SLUICE_PERF_REFERENCE_INFER_REQUEST_H_

#include <string>
#include <vector>

#include "inference/v2/grpc_service.pb.h"

namespace sluice {

// Adds the input that `spec` describes, such as INPUT0:INT32:1,16, with its raw data: small numbers
// that count up. Returns an error message, empty when all is well.
std::string AddInput(const std::string& spec, inference::ModelInferRequest* request);

// Says how `response` fails to be the echo of `request`; empty when it is one.
std::string CompareEcho(const inference::ModelInferRequest& request,
                        const inference::ModelInferResponse& response);

// The message as it travels: a byte 0, the length as four big-endian bytes, the message.
std::string GrpcFrame(const inference::ModelInferRequest& request);

}  // namespace sluice

#endif  // SLUICE_PERF_REFERENCE_INFER_REQUEST_H_
