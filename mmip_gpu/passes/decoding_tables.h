// Decoding tables of the code families of one stage, built in or read from a payload's head.
// Values: a bit string in, one CodeTable per class out. Home: host. Implements FORMAT.md section 7 for readers.
// Built-in tables are made once and shared. Throws DataError for a code that the format does not allow.
#pragma once

#include <memory>
#include <vector>

#include "codebook.h"

namespace mmip {

struct DecodingTables {
    int alphabet = 0, escape_bits = 0;
    std::vector<const CodeTable*> tables;              // per class
    std::vector<std::unique_ptr<CodeTable>> owned;
};

// Reads what choose_codes wrote.
DecodingTables read_codes(const CodeFamily& family, BitReader& bits);

}  // namespace mmip
