// See dc_unpack.h.
#include "dc_unpack.h"

namespace mmip {
namespace {

class DcReader {
public:
    DcReader(Coefficients& c, const Tile& tile, const DcCode& code, BitReader& bits)
        : order_(*tile.order), classes_(c.classes.get() + tile.base), dc_(c.dc.get() + tile.base), code_(code),
          component_(static_cast<size_t>(tile.plane) % code.steps[0].size()), bits_(bits) {}

    Status run() {
        const Status status = code_.steps.size() > 1 ? read_classes() : kOk;
        return status != kOk ? status : read_dcs();
    }

private:
    Status read_classes() {
        uint8_t* classes = classes_;
        const int class_count = static_cast<int>(code_.steps.size());
        const int width = order_.ax, row_cells = order_.ax * order_.ay, cells = order_.cells();
        const int raw_bits = bit_length(static_cast<uint32_t>(class_count - 2));
        uint32_t right = 0;
        if (!bits_.take_gamma(right)) return kStatusClass;
        --right;
        for (int i = 0; i < cells; ++i) {
            const int x = i % width, y = (i % row_cells) / width;
            const int predicted = predicted_class(x > 0, y > 0, x > 0 ? classes[i - 1] : 0, y > 0 ? classes[i - width] : 0,
                                                  x > 0 && y > 0 ? classes[i - width - 1] : 0, i > 0 ? classes[i - 1] : 0);
            if (right > 0) {
                classes[i] = static_cast<uint8_t>(predicted);
                --right;
                continue;
            }
            bits_.refill();
            const int other = static_cast<int>(bits_.take(raw_bits));
            const int value = other >= predicted ? other + 1 : other;
            if (value >= class_count) return kStatusClass;
            classes[i] = static_cast<uint8_t>(value);
            if (i + 1 < cells) {
                if (!bits_.take_gamma(right)) return kStatusClass;
                --right;
            }
        }
        return right == 0 ? kOk : kStatusClass;
    }

    Status read_dcs() {
        const int cells = order_.cells();
        std::vector<int64_t> values(cells);
        std::vector<uint32_t> errors(cells);
        int64_t zeros = -1;                  // left of the run of context 0; -1: the next run is not read yet
        int i = 0;
        for (int z = 0; z < order_.az; ++z)
            for (int y = 0; y < order_.ay; ++y)
                for (int x = 0; x < order_.ax; ++x, ++i) {
                    const int64_t step = code_.steps[classes_[i]][component_];
                    const CellPlace at{z, y, x, order_.ay, order_.ax};
                    const int context = dc_residual_context(&errors[i], at);
                    if (context == 0 && zeros < 0) {
                        bits_.refill();
                        const int symbol = decode_symbol(bits_, code_.codes, kDcRunClass);
                        if (symbol < 0 || symbol > kLargestDcRunSymbol) return kStatusSymbol;
                        zeros = count_base(symbol) + bits_.take(count_extra_bits(symbol));
                        if (zeros > cells - i) return kStatusPosition;
                    }
                    int64_t residual = 0;
                    if (context != 0 || zeros-- == 0) {
                        bits_.refill();
                        const int size = decode_symbol(bits_, code_.codes, context);
                        if (size < 0 || (size == 0 && context == 0)) return kStatusSymbol;
                        bits_.refill();
                        if (size > 0) {
                            const bool negative = bits_.take(1) != 0;
                            residual = (int64_t{1} << (size - 1)) | bits_.take(size - 1);
                            errors[i] = static_cast<uint32_t>(residual);
                            if (negative) residual = -residual;
                        }
                    }
                    const int64_t q = dc_prediction(&values[i], at, step, code_.weights) + residual;
                    if (q <= -kMaxIndex || q >= kMaxIndex) return kStatusValue;
                    dc_[i] = static_cast<int32_t>(q);
                    values[i] = q * step;
                }
        return zeros <= 0 ? kOk : kStatusPosition;
    }

    const TileOrder& order_;
    uint8_t* classes_;
    int32_t* dc_;
    const DcCode& code_;
    size_t component_;
    BitReader& bits_;
};

}  // namespace

Status read_dcs(Coefficients& c, const Tile& tile, const DcCode& code, BitReader& bits) { return DcReader(c, tile, code, bits).run(); }

}  // namespace mmip
