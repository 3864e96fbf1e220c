// Writing the residuals of a tile: read_residuals walks over it as a decoder does, and tokens come out instead.
// Values: int32_t, one lane; tokens go to Out::put(class, symbol, raw, raw_bits). Host and device. Implements FORMAT.md section
// 8.6, for writing.
#pragma once

#include "rules/predictive/residual_reader.h"

namespace MMIP_NS {

template <class Out>
struct ResidualWriter {
    const int32_t* from;
    TilePlace tile;
    Out& out;
    int z = 0, y = 0, x = 0;
    int32_t run = 0;                 // zeros so far of the run at hand
    int least_half = 0;              // of classes: none yet

    MMIP_RULE ResidualWriter(const int32_t* residuals, const TilePlace& place, Out& tokens) : from(residuals), tile(place), out(tokens) {}

    // What a reader would read next.
    MMIP_RULE int32_t next(int32_t e, int32_t& magnitude) {
        const int32_t r = from[z * tile.slice + y * tile.row + x];
        step();
        magnitude = magnitude_of(r);
        if (run > 0) {
            if (r == 0) {
                ++run;
            } else {
                put_run();
                put(kAfterRunClass, folded(r) - 1);
            }
            return r;
        }
        const int number = residual_class(e, least_half, kAfterRunClass - 1);
        if (number != 0) put(number, folded(r));
        else if (r == 0) run = 1;
        else put(0, folded(r) - 1);
        return r;
    }

    MMIP_RULE void finish() {
        if (run > 0) put_run();
    }

private:
    MMIP_RULE void step() {
        if (++x < tile.x) return;
        x = 0;
        if (++y < tile.y) return;
        y = 0;
        ++z;
    }
    MMIP_RULE void put(int of_class, uint32_t number) {
        const ResidualToken t = residual_token(number, kDirectTokens);
        out.put(of_class, t.symbol, t.raw, t.raw_bits);
    }
    MMIP_RULE void put_run() {
        const ResidualToken t = residual_token(static_cast<uint32_t>(run) - 1, kDirectRunTokens);
        out.put(0, kFirstRunSymbol + t.symbol, t.raw, t.raw_bits);
        run = 0;
    }
};

}  // namespace MMIP_NS
