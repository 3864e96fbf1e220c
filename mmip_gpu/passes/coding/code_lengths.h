// Lengths of an optimal prefix code whose codewords have at most so many bits.
// Values: weights of symbols in, lengths in bits out. Home: host. Encoder's own, FORMAT.md section 7 says what lengths are allowed.
// Ties go to the code of fewest bits in all, then to the lower symbol: any way to find it gives the same lengths.
#pragma once

#include <cstdint>
#include <vector>

namespace mmip {

// Of n > 0 ascending weights, none of them 0; `scratch` has room for as many.
void lengths_of_weights(const uint64_t* weights, int n, int limit, uint64_t* scratch, uint8_t* lengths);

// The same of counts in any order; symbols of count 0 get 0.
std::vector<uint8_t> code_lengths(const std::vector<uint64_t>& counts, int limit);

}  // namespace mmip
