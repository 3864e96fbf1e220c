// libFuzzer over kind 3: see guided_chunk.h. tests/fuzz/guided.sh builds and runs it.
#include "guided_chunk.h"
#include "passes/predictive/mixed.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    mmip::try_predictive({data, size}, {&mmip::encode_mixed, &mmip::decode_mixed, false});
    return 0;
}
