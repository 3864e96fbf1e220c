// libFuzzer over kind 2: see guided_chunk.h. tests/fuzz/guided.sh builds and runs it.
#include "guided_chunk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    mmip::try_predictive({data, size}, {&mmip::encode_predictive, &mmip::decode_predictive, true});
    return 0;
}
