// Binds, for the GPU path, what the host does for all payloads of a batch: codes, rates, joining, heads. Each is one call that
// works on threads without the GIL.
// Values: NumPy arrays with a row or an entry for each payload. Home: host. FORMAT.md sections 6 and 7.
#include "bindings/arrays.h"
#include "bindings/bindings.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "passes/tokens/pack.h"
#include "passes/parallel.h"
#include "passes/coding/payload.h"
#include "passes/blocks/rates.h"
#include "passes/coding/stage_codes.h"

namespace mmip {
namespace {

using namespace nb::literals;

constexpr size_t kAlignment = 16;    // of tables

// first .. first + count lies within size.
bool within(int64_t first, int64_t count, size_t size) {
    return first >= 0 && count >= 0 && first <= static_cast<int64_t>(size) && count <= static_cast<int64_t>(size) - first;
}

// (bits of the heads; words of all symbols, 0 where no payload has any; by payload, the bits of all symbols at most).
// By payload: stage (0: corrections), its StageForm, seven prediction weights, the first of its counts.
using Chosen = std::tuple<std::vector<nb::bytes>, Made<uint32_t>, Made<int64_t>>;
Chosen choose_codes_of(Given<uint8_t> stages, Given<uint8_t> forms, Given<int8_t> weights, Given<int64_t> firsts, Given<uint32_t> counts, int threads) {
    const size_t n = stages.size();
    require(forms.size() == n && firsts.size() == n && weights.size() == n * kDcWeights, "not a row for each payload");
    const auto form_of = [&](size_t i) { return static_cast<StageForm>(forms.data()[i]); };
    for (size_t i = 0; i < n; ++i)
        require(form_of(i) <= kPredictedForm && within(firsts.data()[i], static_cast<int64_t>(stage_symbols(stages.data()[i], form_of(i))), counts.size()),
                "not the histograms of these stages");
    std::unique_ptr<uint32_t[]> words(new uint32_t[counts.size()]());
    std::unique_ptr<int64_t[]> bits(new int64_t[n]);
    std::vector<StageCodes> codes(n);
    {
        nb::gil_scoped_release free;
        parallel_for(static_cast<int64_t>(n), threads, [&](int64_t i, int) {
            DcWeights given;
            std::copy_n(weights.data() + i * kDcWeights, kDcWeights, given.of);
            const int64_t first = firsts.data()[i];
            codes[i] = choose_stage_codes(stages.data()[i], form_of(static_cast<size_t>(i)), given, counts.data() + first, words.get() + first);
            bits[i] = static_cast<int64_t>(codes[i].bits);
        });
    }
    std::vector<nb::bytes> heads;
    for (const StageCodes& c : codes) heads.emplace_back(reinterpret_cast<const char*>(c.head.data()), c.head.size());
    return {std::move(heads), array_of(std::move(words), counts.size()), array_of(std::move(bits), n)};
}

size_t rate_count() { return stage_symbols(2, kPlainForm); }

void put_rates(const StageRates& rates, uint8_t* out) { std::copy(rates.token.begin(), rates.token.end(), std::copy(rates.header.begin(), rates.header.end(), out)); }

// Bits of every symbol of a stage from 2 on, headers first, with the built-in codes.
Made<uint8_t> builtin_rates_of(int stage) {
    std::unique_ptr<uint8_t[]> rates(new uint8_t[rate_count()]);
    put_rates(builtin_rates(stage), rates.get());
    return array_of(std::move(rates), rate_count());
}

// Bits of the symbols of predictions: classes x alphabet.
Made<uint8_t> builtin_prediction_rates_of() {
    const std::vector<uint8_t> found = builtin_prediction_rates();
    std::unique_ptr<uint8_t[]> rates(new uint8_t[found.size()]);
    std::copy(found.begin(), found.end(), rates.get());
    return array_of(std::move(rates), found.size());
}

// As builtin_rates_of, of several stages, one after the other, with the codes that would be chosen for the counts that begin at `firsts`.
Made<uint8_t> chosen_rates_of(Given<uint8_t> stages, Given<int64_t> firsts, Given<uint32_t> counts, int threads) {
    const size_t n = stages.size(), each = rate_count();
    require(firsts.size() == n, "not a place for each stage");
    for (size_t i = 0; i < n; ++i)
        require(stages.data()[i] > 1 && within(firsts.data()[i], static_cast<int64_t>(each), counts.size()), "not the histograms of these stages");
    std::unique_ptr<uint8_t[]> rates(new uint8_t[n * each]);
    {
        nb::gil_scoped_release free;
        parallel_for(static_cast<int64_t>(n), threads, [&](int64_t i, int) {
            const uint32_t* headers = counts.data() + firsts.data()[i];
            put_rates(rates_of_counts(stages.data()[i], headers, headers + kHeaderClasses * kHeaderAlphabet, 1), rates.get() + i * each);
        });
    }
    return array_of(std::move(rates), n * each);
}

// Payloads out of the bits of their heads and what a device has written. By payload: its part of the sizes of sub-streams, of the
// crcs of groups, and of the bytes of bodies, as (first, count) pairs.
std::vector<nb::bytes> join_payloads(const nb::object& list, Given<int64_t> places, Given<uint32_t> sizes, Given<uint32_t> crcs, Given<uint8_t> bodies, int threads) {
    const std::vector<nb::bytes> codes = listed<nb::bytes>(list);
    const size_t n = codes.size();
    require(places.size() == 6 * n, "not six numbers for each payload");
    for (size_t i = 0; i < n; ++i) {
        const int64_t* p = places.data() + 6 * i;
        require(within(p[0], p[1], sizes.size()) && within(p[2], p[3], crcs.size()) && within(p[4], p[5], bodies.size()), "a payload lies outside the arrays");
    }
    std::vector<std::string> heads(n);
    std::vector<std::vector<uint8_t>> bits;
    for (const nb::bytes& c : codes) bits.emplace_back(c.c_str(), c.c_str() + c.size());
    {
        nb::gil_scoped_release free;
        parallel_for(static_cast<int64_t>(n), threads, [&](int64_t i, int) {
            const int64_t* p = places.data() + 6 * i;
            heads[i] = payload_head(bits[i], {sizes.data() + p[0], sizes.data() + p[0] + p[1]}, {crcs.data() + p[2], crcs.data() + p[2] + p[3]});
        });
    }
    std::vector<nb::bytes> payloads;
    std::vector<char*> to;
    for (size_t i = 0; i < n; ++i) {
        PyObject* made = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(heads[i].size()) + places.data()[6 * i + 5]);
        if (made == nullptr) throw nb::python_error();
        payloads.push_back(nb::steal<nb::bytes>(made));
        to.push_back(PyBytes_AsString(made));
    }
    {
        nb::gil_scoped_release free;
        parallel_for(static_cast<int64_t>(n), threads, [&](int64_t i, int) {
            const int64_t* p = places.data() + 6 * i;
            std::memcpy(to[i], heads[i].data(), heads[i].size());
            if (p[5] > 0) std::memcpy(to[i] + heads[i].size(), bodies.data() + p[4], static_cast<size_t>(p[5]));
        });
    }
    return payloads;
}

// Heads of many payloads. What is wrong with one is thrown when it is asked for.
class PayloadHeads {
public:
    PayloadHeads(const nb::object& list, Given<int64_t> sizes, Given<int64_t> substreams, Given<uint8_t> stages, Given<uint8_t> images, bool check_crc, int threads) {
        const std::vector<Given<uint8_t>> heads = listed<Given<uint8_t>>(list);
        const size_t n = heads.size();
        items_ = std::vector<Item>(n);
        require(sizes.size() == n && substreams.size() == n && stages.size() == n && images.size() == n, "not an entry for each payload");
        nb::gil_scoped_release free;
        parallel_for(static_cast<int64_t>(n), threads, [&](int64_t i, int) {
            try {
                const size_t size = static_cast<size_t>(sizes.data()[i]);
                read(items_[i], heads[i].data(), heads[i].size(), size, substreams.data()[i], stages.data()[i], images.data()[i] != 0, check_crc);
            } catch (const DataError& error) {
                items_[i].failure = error;
            }
        });
    }

    // (bytes of the codes, least bits of a token, offsets, crcs of the groups, prediction weights).
    std::tuple<uint32_t, int, Made<uint64_t>, Made<uint32_t>, Made<int8_t>> head(size_t i) const {
        const Item& item = checked(i);
        return {item.payload.code_bytes, item.least_token_bits, copied(item.payload.offsets), copied(item.crcs),
                copied(item.payload.dc_weights.of, kDcWeights)};
    }

    // (decoding tables of some payloads, one after the other; by payload and family, where the fast and the longer codes begin, their
    // alphabet and the bits of an escaped symbol).
    using Family = std::tuple<int64_t, int64_t, int, int>;
    std::tuple<Made<uint8_t>, std::vector<std::vector<Family>>> tables(const nb::object& list, int threads) const {
        const std::vector<size_t> wanted = listed<size_t>(list);
        size_t end = 0;
        const auto placed = [&](size_t bytes) {
            const size_t at = end;
            end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
            return static_cast<int64_t>(at);
        };
        std::vector<std::vector<Family>> places;
        for (size_t i : wanted) {
            places.emplace_back();
            for (const DecodingTables& t : checked(i).payload.tables) {
                const int64_t fast = placed(t.fast.size() * sizeof(uint32_t));
                places.back().emplace_back(fast, placed(t.longer.size() * sizeof(LongCodes)), t.alphabet, t.escape_bits);
            }
        }
        std::unique_ptr<uint8_t[]> bytes(new uint8_t[end]());
        {
            nb::gil_scoped_release free;
            parallel_for(static_cast<int64_t>(wanted.size()), threads, [&](int64_t w, int) {
                const std::vector<DecodingTables>& tables = items_[wanted[w]].payload.tables;
                for (size_t f = 0; f < tables.size(); ++f) {
                    std::memcpy(bytes.get() + std::get<0>(places[w][f]), tables[f].fast.data(), tables[f].fast.size() * sizeof(uint32_t));
                    std::memcpy(bytes.get() + std::get<1>(places[w][f]), tables[f].longer.data(), tables[f].longer.size() * sizeof(LongCodes));
                }
            });
        }
        return {array_of(std::move(bytes), end), std::move(places)};
    }

private:
    struct Item {
        StagePayload payload;
        std::vector<uint32_t> crcs;
        int least_token_bits = 1;
        std::optional<DataError> failure;
    };

    static void read(Item& item, const uint8_t* head, size_t given, size_t size, int64_t substreams, int stage, bool image, bool check_crc) {
        item.payload = read_payload_head(head, given, size, substreams, stage, image, check_crc);
        item.crcs.resize(static_cast<size_t>(item.payload.groups()));
        if (!item.crcs.empty()) std::memcpy(item.crcs.data(), item.payload.group_crcs, item.crcs.size() * sizeof(uint32_t));
        item.payload.bytes = item.payload.group_crcs = nullptr;   // the caller's, and used up
        item.least_token_bits = least_bits(item.payload.tables.back());
    }

    const Item& checked(size_t i) const {
        const Item& item = items_.at(i);
        if (item.failure) throw DataError(*item.failure);
        return item;
    }

    std::vector<Item> items_;
};

}  // namespace

void bind_batches(nb::module_& m) {
    m.def("choose_codes", &choose_codes_of, "stages"_a, "forms"_a, "weights"_a, "firsts"_a, "counts"_a, "threads"_a);
    m.def("builtin_rates", &builtin_rates_of, "stage"_a);
    m.def("builtin_prediction_rates", &builtin_prediction_rates_of);
    m.def("chosen_rates", &chosen_rates_of, "stages"_a, "firsts"_a, "counts"_a, "threads"_a);
    m.def("join_payloads", &join_payloads, "codes"_a, "places"_a, "sizes"_a, "crcs"_a, "bodies"_a, "threads"_a);
    nb::class_<PayloadHeads>(m, "PayloadHeads")
        .def(nb::init<const nb::object&, Given<int64_t>, Given<int64_t>, Given<uint8_t>, Given<uint8_t>, bool, int>(), "heads"_a, "sizes"_a,
             "substreams"_a, "stages"_a, "images"_a, "check_crc"_a, "threads"_a)
        .def("head", &PayloadHeads::head, "index"_a)
        .def("tables", &PayloadHeads::tables, "indices"_a, "threads"_a);
}

}  // namespace mmip
