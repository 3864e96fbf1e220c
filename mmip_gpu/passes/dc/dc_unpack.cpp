// See dc_unpack.h.
#include "passes/dc/dc_unpack.h"

namespace mmip {

Status read_dcs(Coefficients& c, const Tile& tile, const DcCode& code, BitReader& bits) {
    const TileOrder& order = *tile.order;
    uint32_t steps[kMaxClasses];
    for (size_t k = 0; k < code.steps.size(); ++k) steps[k] = code.steps[k][static_cast<size_t>(tile.plane) % code.steps[k].size()];
    std::vector<int64_t> values(order.cells());
    std::vector<uint32_t> errors(order.cells());
    const DcJob job{order.az, order.ay, order.ax, static_cast<int>(code.steps.size()), steps, 1, code.codes, code.weights,
                    c.classes.get() + tile.base, c.dc.get() + tile.base, values.data(), errors.data()};
    return read_dcs(job, bits);
}

}  // namespace mmip
