// See fit_contexts.h.
#include "passes/predictive/fit_contexts.h"

#include <algorithm>
#include <cmath>

#include "passes/predictive/tokens.h"

namespace mmip {
namespace {

constexpr int kSamplesLookedAt[] = {0, 1 << 14, 1 << 19};   // by effort; at least one brick
constexpr int kMostLeast = (1 << kContextLeastBits) - 1;
constexpr int kLogarithms = 256;

// log2(1 + i / kLogarithms) by a series that all machines add up alike.
std::vector<double> make_logarithms() {
    std::vector<double> found;
    for (int i = 0; i <= kLogarithms; ++i) {
        const double x = static_cast<double>(i) / kLogarithms, z = x / (2 + x);
        double sum = 0, power = z;
        for (int k = 1; k < 24; k += 2, power *= z * z) sum += power / k;
        found.push_back(sum * 2.8853900817779268);
    }
    return found;
}

double log2_of(double n) {
    static const std::vector<double> table = make_logarithms();
    int exponent = 0;
    const double at = (std::frexp(n, &exponent) * 2 - 1) * kLogarithms;
    const int i = static_cast<int>(at);
    return exponent - 1 + table[i] + (at - i) * (table[std::min(i + 1, kLogarithms)] - table[i]);
}

struct Row {
    std::vector<uint32_t> of = std::vector<uint32_t>(kResidualAlphabet, 0);

    void add(const uint32_t* counts) {
        for (int s = 0; s < kResidualAlphabet; ++s) of[s] += counts[s];
    }

    double bits() const {
        double total = 0, sum = 0;
        for (const uint32_t n : of)
            if (n != 0) total += n, sum += n * log2_of(n);
        return total > 0 ? total * log2_of(total) - sum : 0;
    }
};

// Counts of symbols of each class as those of each table.
std::vector<uint32_t> counts_of_tables(const std::vector<uint32_t>& of_classes, int least_half) {
    std::vector<uint32_t> found(static_cast<size_t>(kResidualTables) * kResidualAlphabet, 0);
    for (int c = 0; c < kClassNumbers; ++c)
        for (int s = 0; s < kResidualAlphabet; ++s) found[table_of_class(c, least_half) * kResidualAlphabet + s] += of_classes[c * kResidualAlphabet + s];
    return found;
}

struct ClassChoice {
    int least_half;
    double bits;                             // of all symbols, without raw ones
};

// Where classes begin so that these symbols take least.
ClassChoice best_classes(const std::vector<uint32_t>& of_classes) {
    const auto row = [&](int c) { return of_classes.data() + c * kResidualAlphabet; };
    constexpr int last = kAfterRunClass - 1;
    std::vector<double> own(last + 2, 0), up_to(last + 2, 0), from(last + 2, 0);
    Row low, high, ends[2];
    for (int c = 1; c <= last; ++c) {
        Row one;
        one.add(row(c));
        low.add(row(c));
        high.add(row(last + 1 - c));
        own[c] = one.bits(), up_to[c] = low.bits(), from[last + 1 - c] = high.bits();
    }
    ends[0].add(row(0));
    ends[1].add(row(kAfterRunClass));
    ClassChoice best{0, -1};
    for (int least = 0; least <= kMostLeast; ++least) {
        double bits = ends[0].bits() + ends[1].bits() + up_to[least + 1] + from[std::min(least + kResidualClasses - 1, last + 1)];
        for (int c = least + 2; c < least + kResidualClasses - 1 && c <= last; ++c) bits += own[c];
        if (best.bits < 0 || bits < best.bits) best = {least, bits};
    }
    return best;
}

// Bricks in memory with the residuals that are coded, and what it takes to make tokens of them.
class ContextFit {
public:
    ContextFit(const BrickResiduals& residuals, const PredictiveForm& form, Parameters& parameters) : residuals_(residuals), form_(form), parameters_(parameters) {
        const int* tile = form.layout.tile_log2;
        magnitudes_.assign(2 * ((size_t{1} << tile[1]) + 1) * ((size_t{1} << tile[2]) + kRowRoom) + kRowRoom, 0);
        tokens_.assign(kMaxResidualTile + kRowRoom, 0);
    }

    void run(int64_t bricks) {
        for (const int64_t item : residuals_.some(bricks)) {
            bricks_.emplace_back(form_.layout, form_.components());
            uint8_t sets[kMaxComponents];
            residuals_.find(item, bricks_.back(), sets);
            for (int i = 1; i < form_.components(); ++i) residuals_.subtract_cross(bricks_.back(), i);
        }
        for (int i = 0; i < form_.components(); ++i) {
            int& context = parameters_.components[i].context;
            const int weight = context_weight(context);
            double least = bits(i, context);
            for (const int decay : {1, kNoDecay}) keep_better(i, context_form(weight, decay, 0), context, least);
            const int decay = context_decay(context);
            for (const int other : {0, 2, 3})
                if (i > 0) keep_better(i, context_form(other, decay, 0), context, least);
        }
    }

private:
    static constexpr int kNoDecay = 1 << kContextDecayBits;

    void keep_better(int component, int candidate, int& context, double& least) {
        const double found = bits(component, candidate);
        if (found < least) least = found, context = candidate;
    }

    double bits(int component, int context) {
        std::vector<uint32_t> counts(static_cast<size_t>(kClassNumbers) * kResidualAlphabet, 0);
        for (BrickMemory& m : bricks_) {
            const int32_t *coded = residuals_.coded(m, component), *first = component > 0 ? residuals_.coded(m, 0) : nullptr,
                          *second = component > 1 ? residuals_.coded(m, 1) : nullptr;
            for_tiles(form_.layout, m.brick.extent, [&](int, const int* at, const int* size) {
                const int64_t place = at[0] * m.strides.slice + at[1] * m.strides.row + at[2];
                residuals_.kernels().tokens({coded + place, m.strides, {size[0], size[1], size[2]}, {first ? first + place : nullptr, second ? second + place : nullptr},
                                             context, magnitudes_.data(), tokens_.data()});
                for (int i = 0; i < size[0] * size[1] * size[2]; ++i)
                    ++counts[(tokens_[i] & (kClassNumbers - 1)) * kResidualAlphabet + ((tokens_[i] >> kTokenSymbol) & 127)];
            });
        }
        return best_classes(counts).bits;
    }

    const BrickResiduals& residuals_;
    const PredictiveForm& form_;
    Parameters& parameters_;
    std::vector<BrickMemory> bricks_;
    std::vector<int32_t> magnitudes_;
    std::vector<uint32_t> tokens_;
};

}  // namespace

void choose_codes(const std::vector<uint32_t>& counts, ComponentParameters& component) {
    const int least_half = best_classes(counts).least_half;
    component.context = context_form(context_weight(component.context), context_decay(component.context), least_half);
    component.lengths = best_lengths(counts_of_tables(counts, least_half));
}

void fit_contexts(const BrickResiduals& residuals, const PredictiveForm& form, int effort, Parameters& parameters) {
    int64_t brick = 1;
    for (int a = 0; a < 3; ++a) brick *= std::min(int64_t{1} << form.layout.brick_log2[a], form.layout.shape[a]);
    const int64_t samples = kSamplesLookedAt[std::clamp(effort, 1, 3) - 1];
    if (samples > 0) ContextFit(residuals, form, parameters).run(std::max<int64_t>(1, samples / brick));
}

}  // namespace mmip
